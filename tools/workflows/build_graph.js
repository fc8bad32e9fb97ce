// Builds a described graph (graph.py) in the real frontend, and returns it saved and as a prompt.
({ columns, packages, blueprints }) => {
  const GAP = 40, PADDING = 20, TITLE = 30, NODE_WIDTH = 280, LINE = 15, CHARACTER = 5.6
  const graph = window.app.graph
  graph.clear()
  const made = {}

  const find = (slots, name, owner) => {
    const index = (slots ?? []).findIndex((slot) => slot.name === name)
    if (index < 0) throw new Error(`${owner} has no slot "${name}": ${(slots ?? []).map((slot) => slot.name)}`)
    return index
  }

  // A blueprint as its whole subgraph, as the frontend's node search puts it in.
  const added = (type) => {
    if (type in blueprints) {
      const { nodes, definitions } = structuredClone(blueprints[type])
      const items = { nodes, groups: [], reroutes: [], links: [], subgraphs: definitions.subgraphs }
      return [...window.app.canvas._deserializeItems(items, { position: [0, 0] }).created][0]
    }
    const node = LiteGraph.createNode(type)
    if (!node) throw new Error(`no node type ${type}`)
    graph.add(node)
    return node
  }

  const make = (described) => {
    const node = added(described.type)
    if (described.title) node.title = described.title
    for (const [name, value] of Object.entries(described.values)) {
      node.widgets[find(node.widgets, name, described.key)].value = value
    }
    const pack = Object.keys(packages).find((prefix) => described.type.startsWith(prefix))
    if (!node.subgraph && described.type !== 'MarkdownNote') Object.assign(node.properties, packages[pack])
    if (described.weights) node.properties.models = [described.weights]
    made[described.key] = node
  }

  const connect = (described) => {
    const node = made[described.key]
    for (const [input, from] of Object.entries(described.links)) {
      const [key, output] = from.split('.')
      const slot = find(made[key].outputs, output, key)
      if (!made[key].connect(slot, node, find(node.inputs, input, described.key))) throw new Error(`${from} → ${described.key}.${input}`)
    }
  }

  const makeNote = (text, width) => {
    const note = LiteGraph.createNode('MarkdownNote')
    graph.add(note)
    note.title = 'Note'
    note.widgets[0].value = text
    const lines = text.split('\n').reduce((sum, line) => sum + Math.ceil((line.length * CHARACTER + 1) / (width - 2 * PADDING)), 0)
    note.size = [width, (lines + 2) * LINE + PADDING]
    return note
  }

  // Places a group's nodes; returns the height it takes.
  const placeGroup = (described, x, y) => {
    const widths = described.columns.map((column) => Math.max(...column.map(({ key, width }) => width ?? Math.max(NODE_WIDTH, made[key].computeSize()[0]))))
    const width = widths.reduce((sum, each) => sum + each + GAP, -GAP)
    const text = [described.note, described.aside].filter(Boolean).join('\n\n')
    const note = text && makeNote(text, Math.max(width, 2 * NODE_WIDTH * 0.75))
    if (note) note.pos = [x + PADDING, y + TITLE + PADDING + TITLE]
    const top = note ? note.pos[1] + note.size[1] + GAP : y + TITLE
    let bottom = top, left = x + PADDING
    described.columns.forEach((column, index) => {
      let next = top + TITLE
      for (const { key, height } of column) {
        const node = made[key]
        node.size = [widths[index], height ?? node.computeSize()[1]]
        node.pos = [left, next]
        next += node.size[1] + GAP + TITLE
      }
      bottom = Math.max(bottom, next - GAP - TITLE)
      left += widths[index] + GAP
    })
    if (!described.title) return [width + 2 * PADDING, bottom + PADDING - y] // nodes alone
    const group = new LiteGraph.LGraphGroup(described.title)
    group.color = described.colour
    group.pos = [x, y]
    group.size = [Math.max(width, note ? note.size[0] : 0) + 2 * PADDING, bottom + PADDING - y]
    graph.add(group)
    return group.size
  }

  const groups = columns.flat()
  const nodes = groups.flatMap((group) => group.columns.flat())
  nodes.forEach(make)
  nodes.forEach(connect)
  let x = 0, bottom = 0
  for (const column of columns) {
    let y = 0, widest = 0
    for (const group of column) {
      const [width, height] = placeGroup(group, x, y)
      y += height + GAP
      widest = Math.max(widest, width)
    }
    bottom = Math.max(bottom, y - GAP)
    x += widest + GAP
  }
  return { width: x - GAP, height: bottom, ids: Object.fromEntries(Object.entries(made).map(([key, { id }]) => [key, id])) }
}
