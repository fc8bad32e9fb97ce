"""The nodes, one file per user task. They declare, validate and hand over; the method is in videograin/."""

import comfyui_version
from comfy_api.latest import ComfyExtension, io

from ..videograin.comfyui.input_files import show_demo
from ..videograin.comfyui.validate import tell_if_newer
from .anchors import AnchorAttention
from .attention import FullFrameAttention, STLayoutAttention
from .blend import LatentBlend
from .check import RegionCheck
from .chunks import EditInChunks
from .demo import DemoClip, LoadDemoModel
from .evaluate import EvaluateEdit
from .fusion import CrossAttentionFusion, SelfAttentionFusion
from .instances import SplitInstances
from .inversion import DDIMInversion
from .inversion_file import LoadInversion, SaveInversion
from .invert_clip import InvertClip
from .layout import AttentionLayout, ClustersToMask
from .marks import PointsToRegion
from .motion import FlowGuidedAttention
from .paste import PasteEdit
from .placement import PlaceObjects
from .preview import PreviewSeeds
from .regions import BindRegionPrompts, RegionPrompt
from .rows import Regions
from .seed import SeedRegions
from .show import ShowAttention
from .source import InjectSourceFeatures
from .steady import SteadyEdit
from .track import TrackRegions
from .vary import VaryNoise
from .video import BeforeAfterVideo, LoadVideoFrames


class VideoGrainExtension(ComfyExtension):
    async def on_load(self) -> None:
        tell_if_newer(comfyui_version.__version__)
        show_demo()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            LoadVideoFrames,
            BeforeAfterVideo,
            DDIMInversion,
            AttentionLayout,
            ClustersToMask,
            SplitInstances,
            PointsToRegion,
            RegionPrompt,
            BindRegionPrompts,
            FullFrameAttention,
            STLayoutAttention,
            LatentBlend,
            LoadDemoModel,
            DemoClip,
            FlowGuidedAttention,
            EvaluateEdit,
            SaveInversion,
            LoadInversion,
            InjectSourceFeatures,
            ShowAttention,
            SelfAttentionFusion,
            CrossAttentionFusion,
            PlaceObjects,
            AnchorAttention,
            EditInChunks,
            PasteEdit,
            VaryNoise,
            Regions,
            InvertClip,
            TrackRegions,
            RegionCheck,
            SeedRegions,
            SteadyEdit,
            PreviewSeeds,
        ]
