"""Features' hooks on what has no attention, set for one call of the network and removed whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from .attention import Call


@contextmanager
def hooked(call: Call, network: Any) -> Iterator[None]:
    with ExitStack() as hooks:
        for feature in call.features:
            for module, before, hook in feature.module_hooks(call, network):
                register = module.register_forward_pre_hook if before else module.register_forward_hook
                hooks.callback(register(hook).remove)
        yield
