"""VideoGrain's own socket types; everything else uses ComfyUI's."""

from comfy_api.latest import io

CATEGORY = "VideoGrain"

Regions = io.Custom("VIDEOGRAIN_REGIONS")  # videograin.regions.Regions
Inversion = io.Custom("VIDEOGRAIN_INVERSION")  # videograin.trajectory.Inversion
Layout = io.Custom("VIDEOGRAIN_LAYOUT")  # videograin.layout.ClusterLayout
OpticalFlow = io.Custom("OPTICAL_FLOW")  # of core's Load Optical Flow Model, ComfyUI 0.24 and later
