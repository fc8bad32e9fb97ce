"""VideoGrain's own socket types; everything else uses ComfyUI's."""

from comfy_api.latest import io


class Category:
    """Folders of the node library: what every edit needs, its parts, and what only some papers do."""

    START = "VideoGrain/Start"
    REGIONS = "VideoGrain/Regions"
    ATTENTION = "VideoGrain/Attention"
    INVERSION = "VideoGrain/Inversion"
    CHECK = "VideoGrain/Check"
    RESEARCH = "VideoGrain/Research"


Regions = io.Custom("VIDEOGRAIN_REGIONS")  # core.regions.Regions
Inversion = io.Custom("VIDEOGRAIN_INVERSION")  # core.inversion_record.Inversion
Layout = io.Custom("VIDEOGRAIN_LAYOUT")  # core.attention_clusters.ClusterLayout
OpticalFlow = io.Custom("OPTICAL_FLOW")  # from ComfyUI's Load Optical Flow Model, 0.24 and later
