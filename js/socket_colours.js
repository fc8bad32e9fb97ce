// The colours of our own sockets and their links, in both renderers and beside any palette that the user chooses.

// Far from the colours that core's palettes have for theirs, dark and light: tests/unit/test_colours.py.
const COLOURS = { VIDEOGRAIN_REGIONS: '#ff3399', VIDEOGRAIN_INVERSION: '#584dff', VIDEOGRAIN_LAYOUT: '#00796b' }

export function colourSockets(canvas) {
  for (const [type, colour] of Object.entries(COLOURS)) {
    standIn(canvas.default_connection_color_byType, type, colour)
    standIn(canvas.constructor.link_type_colors, type, colour)
  }
  // For Nodes 2.0. A palette's own colours stand in the page's root, which is stronger than a style sheet.
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(`:root { ${Object.entries(COLOURS).map(([type, colour]) => `--color-datatype-${type}: ${colour};`).join(' ')} }`)
  document.adoptedStyleSheets.push(sheet)
}

/** A palette, whenever it is chosen, writes an empty colour for each type that it does not know: then ours is read. */
function standIn(colours, type, ours) {
  let given = colours[type]
  const set = (colour) => { given = colour }
  Object.defineProperty(colours, type, { get: () => given || ours, set, enumerable: true, configurable: true })
}
