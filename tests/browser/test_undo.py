"""Undo makes every node anew: what is on the page afterwards must be the new nodes' views, in both renderers."""

from shipped import path_of

from pack.tools.frontend import drop

WORKFLOW = "instance_edit_clusters"
CHANGE = """() => {
  const node = app.graph.nodes.find(({ type }) => type === 'VideoGrainClustersToMask')
  const [widget] = node.widgets
  app.canvas.emitBeforeChange()
  widget.value = '3'
  widget.callback?.(widget.value, app.canvas, node)
  app.canvas.emitAfterChange()
  window.changed = node
}"""
MADE_ANEW = """() => {
  const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker
  const node = app.graph.nodes.find(({ type }) => type === 'VideoGrainClustersToMask')
  return node && node !== window.changed && !tracker._restoringState
}"""
VIEWS = "() => app.graph.nodes.flatMap(({ widgets }) => widgets ?? []).filter(({ name }) => name === 'videograin_view')"
OFF_THE_PAGE = f"() => ({VIEWS})().filter(({{ element }}) => !element.isConnected).length"


def test_the_new_nodes_views_are_on_the_page(widgets):
    page = widgets.page
    drop(page, path_of(WORKFLOW))
    page.wait_for_function(f"() => ({VIEWS})().length === 4 && !({OFF_THE_PAGE})()")
    page.mouse.click(20, 700)  # on nothing: what was opened becomes the first state for undo
    for _ in range(2):
        page.evaluate(CHANGE)
        page.evaluate("() => app.extensionManager.command.execute('Comfy.Undo')")
        page.wait_for_function(MADE_ANEW)
        page.wait_for_function(f"() => !({OFF_THE_PAGE})()", timeout=5000)
        assert page.locator(".videograin").count() == 4
