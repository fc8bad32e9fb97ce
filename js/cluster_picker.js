// Clusters to Mask: the clusters in colour over the clip, to click. The choice is the node's ordinary `clusters` value.

import { app } from '../../scripts/app.js'
import { read, split, toggle, togglePart, unpack } from './choice.js'
import { draw, point } from './cluster_picture.js'
import { element, isGone, isLinked, picture, placeAt, say, setValue } from './panel.js'
import { percent } from './words.js'

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
const STILL = 4 // pixels that a click may move
const FOLLOWED = ['clusters', 'invert']

export class ClusterPicker {
  static kind = 'clusters'
  static label = 'clusters'
  height = 330

  constructor(node) {
    this.node = node
    this.canvas = element('canvas', { tabIndex: 0, role: 'application', className: 'stage' })
    this.base = element('canvas') // the picture without what follows the pointer
    this.scrubber = element('input', { type: 'range', min: 0, value: 0, 'aria-label': say('frame') })
    this.counter = element('span', { className: 'counter' })
    this.undo = element('button', { type: 'button', textContent: say('undo'), title: say('undo_hint') })
    this.chips = element('div', { className: 'chips', role: 'group', 'aria-label': say('clusters') })
    this.status = element('div', { className: 'status', role: 'status' })
    const bar = element('div', { className: 'bar' }, this.scrubber, this.counter, this.undo)
    this.element = element('div', {}, this.canvas, bar, this.chips, this.status)
    this.follow()
    this.listen()
  }

  get widget() {
    return this.node.widgets.find(({ name }) => name === 'clusters')
  }

  listen() {
    const { canvas } = this
    canvas.addEventListener('pointermove', (event) => this.look(this.tokenAt(event), event.shiftKey))
    canvas.addEventListener('pointerleave', () => { this.pressed = null; this.look(null) })
    canvas.addEventListener('pointerdown', (event) => {
      this.pressed = event.button === 0 ? [event.clientX, event.clientY] : null
    })
    // On release rather than on click, which comes after the frontend has looked for changes to undo.
    canvas.addEventListener('pointerup', (event) => {
      const [x, y] = this.pressed ?? [Infinity, Infinity]
      this.pressed = null
      if (Math.hypot(event.clientX - x, event.clientY - y) <= STILL) this.pick(this.tokenAt(event), event.shiftKey)
    })
    canvas.addEventListener('keydown', (event) => this.press(event))
    canvas.addEventListener('keyup', (event) => {
      if (event.key === 'Shift' && this.token !== null) this.look(this.token, false)
    })
    canvas.addEventListener('blur', () => this.look(null))
    this.scrubber.addEventListener('input', () => this.goTo(Number(this.scrubber.value)))
    this.undo.addEventListener('click', () => app.extensionManager.command.execute('Comfy.Undo'))
  }

  /** data: as the node's `picker` makes it. memory: what outlives the node's being made anew. */
  async show(data, memory) {
    this.labels = null
    const labels = await unpack(data.labels, data.shape, data.size)
    Object.assign(this, { data, memory, labels, shares: labels.shares(), token: null, alone: false, text: null })
    this.pictures = data.pictures.map((file) => picture(file, () => this.redraw()))
    for (const canvas of [this.canvas, this.base]) {
      canvas.width = Math.round(data.size[0] * this.zoom)
      canvas.height = Math.round(data.size[1] * this.zoom)
    }
    this.scrubber.max = labels.frames - 1
    this.chips.replaceChildren(...data.names.map((_, cluster) => this.chip(cluster)))
    this.goTo(Math.min(memory.frame ?? 0, labels.frames - 1))
  }

  /** Canvas pixels for one of the clip's, so that numbers and lines are sharp on a small clip too. */
  get zoom() {
    return Math.max(1, Math.min(768 / Math.max(...this.data.size), 8))
  }

  chip(cluster) {
    const name = this.data.names[cluster]
    const swatch = element('span', { className: 'swatch' })
    swatch.style.background = `rgb(${this.data.colours[cluster].join(',')})`
    const label = element('span', { className: 'name', textContent: name ? `${cluster} ${name}` : String(cluster) })
    const chip = element('button', { type: 'button', 'aria-pressed': 'false' }, swatch, label)
    chip.title = say('cluster_clip', { cluster: this.called(cluster), share: percent(this.shares[cluster]) })
    chip.addEventListener('click', () => this.choose(toggle(this.choice, this.data.names, cluster)))
    return chip
  }

  // ---- the choice --------------------------------------------------------------------------------------------------

  get isLinked() {
    return isLinked(this.node, 'clusters')
  }

  /** Another connection: the choice is another's now, or the node's own again. */
  linked() {
    this.redraw()
  }

  get choice() {
    return this.isLinked ? this.data.choice : String(this.widget.value)
  }

  choose(text) {
    if (this.isLinked) return
    setValue(this.node, this.widget, text)
  }

  /** Draws again when a value changes, by a click here or by hand. */
  follow() {
    for (const widget of this.node.widgets.filter(({ name }) => FOLLOWED.includes(name))) {
      const { callback } = widget
      widget.callback = (...all) => {
        callback?.apply(widget, all)
        this.redraw()
      }
    }
  }

  pick(token, alone) {
    if (token === null || !this.labels) return
    const { labels, memory: { frame }, data: { names } } = this
    const cluster = labels.at(frame, token)
    if (!alone) return this.choose(toggle(this.choice, names, cluster))
    const place = [...labels.pixel(token), frame]
    const covers = (other) => Boolean(labels.partAt(cluster, other)?.[frame][token])
    this.choose(togglePart(this.choice, names, cluster, place, covers))
  }

  // ---- looking around ----------------------------------------------------------------------------------------------

  goTo(frame) {
    this.memory.frame = frame
    this.middles = this.data.names.map((_, cluster) => this.labels.middle(cluster, frame))
    this.frameShares = this.labels.shares(frame)
    this.scrubber.value = frame
    this.scrubber.setAttribute('aria-valuetext', say('frame_of', { frame: frame + 1, count: this.labels.frames }))
    this.counter.textContent = `${frame + 1} / ${this.labels.frames}`
    this.redraw()
  }

  /** The token under the pointer. */
  tokenAt(event) {
    if (!this.labels) return null
    const [x, y] = placeAt(event, this.canvas, this.zoom)
    const [width, height] = this.data.size
    return x >= 0 && y >= 0 && x < width && y < height ? this.labels.token(x, y) : null
  }

  look(token, alone = false) {
    if (!this.labels || (token === this.token && alone === this.alone)) return
    Object.assign(this, { token, alone })
    this.point()
  }

  press(event) {
    if (!this.labels || event.ctrlKey || event.metaKey || event.altKey) return
    const { labels } = this
    const here = this.token ?? labels.middle(labels.at(this.memory.frame, labels.area >> 1), this.memory.frame)
    if (event.key === 'Enter' || event.key === ' ') this.pick(here, event.shiftKey)
    else if (event.key === 'Shift') this.look(here, true)
    else if (event.key === 'PageUp' || event.key === 'PageDown') {
      const frame = this.memory.frame + (event.key === 'PageUp' ? -1 : 1)
      this.goTo(Math.max(0, Math.min(labels.frames - 1, frame)))
    } else if (event.key in ARROWS) {
      const [right, down] = ARROWS[event.key]
      const column = Math.max(0, Math.min(labels.width - 1, (here % labels.width) + right))
      const row = Math.max(0, Math.min(labels.height - 1, Math.floor(here / labels.width) + down))
      this.look(row * labels.width + column, event.shiftKey)
    } else return
    event.preventDefault()
    event.stopPropagation()
  }

  // ---- what is shown -----------------------------------------------------------------------------------------------

  redraw() {
    if (!this.labels) return
    if (this.text !== this.choice) this.take(this.choice)
    for (const chip of this.chips.children) chip.disabled = this.isLinked
    const { labels, data: { colours }, middles, memory: { frame } } = this
    draw(this.base, { labels, frame, colours, picture: this.pictures[frame], chosen: this.chosen[frame], middles })
    this.point()
    this.canvas.setAttribute('aria-label', say('clusters_picture', { frame: frame + 1, count: labels.frames }))
  }

  /** Shows what is under the pointer. */
  point() {
    const { labels, token, alone, memory: { frame } } = this
    const cluster = token === null ? null : labels.at(frame, token)
    const under = token !== null && alone ? labels.around(cluster, frame, token) : null
    point(this.canvas, this.base, { labels, frame, token, cluster, under })
    this.status.textContent = cluster === null ? this.summary(this.chosen[frame]) : this.describe(cluster, under)
  }

  /** Finds out what a choice covers: not at every move of the pointer, for parts are followed through the clip. */
  take(text) {
    const { labels, data: { names } } = this
    Object.assign(this, { text, chosen: labels.chosen(text, names), vain: labels.vain(text, names) })
    const picks = split(text).map((part) => read(part, names))
    for (const [cluster, chip] of [...this.chips.children].entries()) {
      const ours = picks.filter((pick) => pick?.cluster === cluster)
      chip.setAttribute('aria-pressed', ours.some(({ place }) => !place) ? 'true' : ours.length ? 'mixed' : 'false')
    }
  }

  summary(chosen) {
    if (this.vain.length) return say('clusters_vain', { parts: this.vain.map((part) => `“${part}”`).join(', ') })
    if (!split(this.text).length) return say('clusters_none')
    const covered = chosen.reduce((sum, on) => sum + on, 0) / chosen.length
    const share = percent(this.inverted ? 1 - covered : covered)
    const mask = say(this.inverted ? 'mask_covers_inverted' : 'mask_covers', { share })
    const gone = this.pictures.some(isGone) ? `${say('gone')} ` : ''
    return `${gone}${mask} ${say(this.isLinked ? 'clusters_linked' : 'clusters_how')}`
  }

  get inverted() {
    return Boolean(this.node.widgets.find(({ name }) => name === 'invert')?.value)
  }

  describe(cluster, under) {
    const called = this.called(cluster)
    if (under) return say('cluster_part', { cluster: called, share: percent(under.reduce((sum, on) => sum + on, 0) / under.length) })
    return say('cluster_both', { cluster: called, share: percent(this.frameShares[cluster]), all: percent(this.shares[cluster]) })
  }

  called(cluster) {
    const name = this.data.names[cluster]
    return name ? `${cluster} (${name})` : cluster
  }
}
