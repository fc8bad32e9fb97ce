// A node's own area for a view. A new node has room for it from the start: one that grew when it had run would be changed
// for the undo history. A smaller one from a saved workflow stays as it is until it runs, then grows as far as it must.

import { app } from '../../scripts/app.js'
import { keyOf, outputOf, shownBy, textOf } from './graph.js'
import { keep, keptPicture } from './view_store.js'
import { marked, worded } from './words.js'

const MEMORY = 'videograin_memory'
const STYLE = new URL('./videograin.css', import.meta.url).href
const WIDTH = 280 // pixels that a new node has at least
const SPACE = 12 // pixels below the view

/** An element with properties, attributes (those with a dash, and role) and children; strings become text, never HTML. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role') made.setAttribute(name, value)
    else made[name] = value
  }
  made.append(...children)
  return made
}

const locale = () => app.extensionManager.setting.get('Comfy.Locale')

/** One of our texts in the user's language, its {names} filled in. What a node showed before another was chosen stays. */
export const say = (key, values) => worded(locale(), key, values)
export const sayMark = (mark) => marked(locale(), mark)

const address = (file) => `/view?${new URLSearchParams(file)}`
export const pictureUrl = (file) => app.api.apiURL(address(file))

/** Loads a picture of the last run into an image, from what is kept or from the server; told: called when it is there, or gone. */
export function load(image, file, told) {
  image.classList.remove('gone')
  image.onload = () => {
    URL.revokeObjectURL(image.src)
    told?.()
  }
  image.onerror = () => {
    image.classList.add('gone')
    told?.()
  }
  keptPicture(file.filename).then((blob) => { image.src = blob ? URL.createObjectURL(blob) : pictureUrl(file) })
  return image
}

export const picture = (file, told) => load(element('img', { decoding: 'async' }), file, told)
export const isThere = (picture) => Boolean(picture?.getContext || (picture?.complete && picture.naturalWidth)) // drawn, or loaded
export const isGone = (picture) => Boolean(picture?.classList.contains('gone'))

/** The clip's (x, y) under the pointer; a canvas of `zoom` pixels for one of the clip's is fitted in, so there may be bars. */
export function placeAt(event, canvas, zoom) {
  const box = canvas.getBoundingClientRect()
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height)
  return [
    (event.clientX - box.x - (box.width - canvas.width * scale) / 2) / (scale * zoom),
    (event.clientY - box.y - (box.height - canvas.height * scale) / 2) / (scale * zoom),
  ]
}

export const isLinked = (node, name) =>
  Boolean(node.inputs?.some((input, index) => input.widget?.name === name && node.isInputConnected(index)))

/** Gives a widget a value as its user would: one step for undo. */
export function setValue(node, widget, value) {
  app.canvas.emitBeforeChange()
  widget.value = value
  widget.callback?.(value, app.canvas, node)
  app.canvas.emitAfterChange()
}

export class Panel {
  /**
   * view: {element, height (pixels it needs), show(data, memory), maybe linked(…) for other connections, as the frontend
   * tells them}; its class's kind, and its label among our words.
   */
  constructor(node, view) {
    Object.assign(this, { node, view })
    for (const part of view.element.children) part.hidden = true // until it runs, and while the style sheet is on its way
    view.element.prepend(element('link', { rel: 'stylesheet', href: STYLE })) // nothing is put outside our own elements
    view.element.classList.add('videograin', 'waiting')
    view.element.dataset.hint = say('waiting')
    this.widget = node.addDOMWidget('videograin_view', 'videograin_view', view.element, {
      serialize: false, // not sent with the prompt
      hideOnZoom: false,
      hideInPanel: true, // the panel of parameters has no room for it, and would give it the panel's width for good
      margin: 0, // any other would make the height of an empty view negative, which browsers take for “as high as the page”
      getMinHeight: () => (this.waiting ? 0 : view.height + SPACE),
    })
    this.widget.label = say(view.constructor.label) // in app mode, and wherever else widgets are listed
    this.widget.serialize = false // nor saved with the workflow
    node.setSize([Math.max(node.size[0], WIDTH), node.size[1] + view.height + SPACE])
    const onExecuted = node.onExecuted
    node.onExecuted = (output) => {
      onExecuted?.call(node, output)
      this.show(output)
    }
    const { onConnectionsChange } = node
    node.onConnectionsChange = (...all) => {
      onConnectionsChange?.apply(node, all)
      if (!this.waiting) view.linked?.(...all)
    }
    this.passOnScrolling()
  }

  get waiting() {
    return this.view.element.classList.contains('waiting')
  }

  /** output: of the node's last run. */
  show(output) {
    requestAnimationFrame(() => this.takePlace())
    const data = shownBy(output, this.view.constructor.kind)
    if (!data) return
    const first = this.waiting
    this.view.element.classList.remove('waiting')
    for (const part of this.view.element.children) part.hidden = false
    this.memory = memoryOf([output, outputOf(this.node)], this.memory)
    this.view.show(data, this.memory)
    this.view.element.style.minHeight = `${this.view.height}px`
    if (first) this.node.setDirtyCanvas?.(true, true)
    this.keep(textOf(output))
  }

  /** For the next time that the page is loaded, with its pictures. */
  keep(text) {
    const key = keyOf(this.node)
    if (!key) return
    const files = new Map()
    JSON.parse(text, (_, part) => {
      if (part?.filename) files.set(part.filename, part)
      return part
    })
    keep({ key, kind: this.node.constructor.comfyClass, text, names: [...files.keys()] }, (name) => fetched(files.get(name)))
  }

  /** Nodes 2.0 keeps a node's place on the page when undo makes the node anew, and the old node's view in it. */
  takePlace() {
    const { node, view: { element: ours } } = this
    if (ours.isConnected || node.graph !== app.canvas.graph) return
    document.querySelector(`[data-node-id="${globalThis.CSS.escape(node.id)}"] .videograin`)?.replaceWith(ours)
  }

  /** In the canvas renderer the wheel over an element would do nothing; Nodes 2.0 passes it on by itself. */
  passOnScrolling() {
    this.view.element.addEventListener('wheel', (event) => {
      if (globalThis.LiteGraph?.vueNodesMode) return
      event.preventDefault()
      app.canvas.processMouseWheel(event)
    }, { passive: false })
  }
}

/** A picture from the server, as a Blob. The browser has just loaded it to show it. */
async function fetched(file) {
  const response = await app.api.fetchApi(address(file), { cache: 'force-cache' })
  if (!response.ok) throw new Error(file.filename)
  return response.blob()
}

const memories = [] // of every output that was shown

/**
 * What a view remembers from run to run, and while its node is made anew (the frame it stood at). The output holds its
 * number: the frontend keeps a copy of an output whenever it loads a graph, for undo too. copies: the output as a view was
 * given it, and as the frontend holds it; newer ones hold another object. before: what the view remembers of the last output.
 */
function memoryOf(copies, before) {
  const [number] = copies[0][MEMORY] ?? [memories.length]
  for (const copy of copies) if (copy) copy[MEMORY] = [number]
  return (memories[number] ??= { ...before })
}
