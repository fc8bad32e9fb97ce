"""The nodes, one file per user task. They declare, validate and hand over; the method is in videograin/."""

from comfy_api.latest import ComfyExtension, io

from .attention import FullFrameAttention, STLayoutAttention
from .blend import LatentBlend
from .demo import DemoClip, LoadDemoModel
from .evaluate import EvaluateEdit
from .fusion import CrossAttentionFusion, SelfAttentionFusion
from .instances import SplitInstances
from .inversion import DDIMInversion
from .inversion_file import LoadInversion, SaveInversion
from .layout import AttentionLayout, ClustersToMask
from .motion import FlowGuidedAttention
from .regions import BindRegionPrompts, RegionPrompt
from .show import ShowAttention
from .source import InjectSourceFeatures
from .video import BeforeAfterVideo, LoadVideoFrames


class VideoGrainExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            LoadVideoFrames,
            BeforeAfterVideo,
            DDIMInversion,
            AttentionLayout,
            ClustersToMask,
            SplitInstances,
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
        ]
