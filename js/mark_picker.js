// Points to Region: the clip, to mark a thing on. Click: a point on it; shift-click: beside it; drag: a box around it, or
// with the brush a painted line.

import { app } from '../../scripts/app.js'
import { drawBrush, drawCross, drawMark, drawStrokes } from './mark_drawing.js'
import { MarkTools } from './mark_tools.js'
import { isStroke, readMarks, thinned, vainMarks, withMark, withoutLast, withoutMark } from './marks.js'
import { element, isGone, isLinked, isThere, picture, placeAt, say, setValue } from './panel.js'

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
const DRAGGED = 0.02 // of the picture's width: less is a click
const THIN = 0.15 // of the brush's radius: points of a painted line nearer to it are left out

export class MarkPicker {
  static kind = 'marks'
  static label = 'marks_on_clip'
  height = 356

  constructor(node) {
    this.node = node
    this.canvas = element('canvas', { tabIndex: 0, role: 'application', className: 'stage' })
    this.scrubber = element('input', { type: 'range', min: 0, value: 0, 'aria-label': say('frame') })
    this.counter = element('span', { className: 'counter' })
    this.undo = element('button', { type: 'button', textContent: say('undo'), title: say('undo_hint') })
    this.clear = element('button', { type: 'button', textContent: say('clear'), title: say('clear_hint') })
    this.status = element('div', { className: 'status', role: 'status' })
    const bar = element('div', { className: 'bar' }, this.scrubber, this.counter, this.undo, this.clear)
    this.tools = new MarkTools(() => this.redraw())
    this.element = element('div', {}, this.tools.element, this.canvas, bar, this.status)
    this.follow()
    this.listen()
  }

  get widget() {
    return this.node.widgets.find(({ name }) => name === 'marks')
  }

  get isLinked() {
    return isLinked(this.node, 'marks')
  }

  /** Another connection: the marks are another's now, or the node's own again. */
  linked() {
    this.redraw()
  }

  get text() {
    return this.isLinked ? this.data.marks : String(this.widget.value)
  }

  listen() {
    const { canvas } = this
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0 || !this.data) return
      canvas.setPointerCapture(event.pointerId)
      this.from = this.at = this.pixel(event)
      this.line = this.tools.paints && this.from ? [this.from] : null
    })
    canvas.addEventListener('pointermove', (event) => {
      if (!this.data) return
      this.at = this.pixel(event)
      if (this.line && this.at) this.line.push(this.at)
      this.redraw()
    })
    canvas.addEventListener('pointerleave', () => this.look(null))
    // On release rather than on click, which comes after the frontend has looked for changes to undo.
    canvas.addEventListener('pointerup', (event) => this.release(event))
    canvas.addEventListener('pointercancel', () => this.look(null))
    canvas.addEventListener('keydown', (event) => this.press(event))
    canvas.addEventListener('blur', () => this.look(null))
    this.scrubber.addEventListener('input', () => this.goTo(Number(this.scrubber.value)))
    this.undo.addEventListener('click', () => app.extensionManager.command.execute('Comfy.Undo'))
    this.clear.addEventListener('click', () => this.choose(''))
  }

  /**
   * data: as the node's `_picker` makes it, or with canvases in place of files, of a clip of `count` frames.
   * memory: what outlives the node's being made anew.
   */
  show(data, memory) {
    // A box may be half drawn.
    if (String(data.size) !== String(this.data?.size)) Object.assign(this, { from: null, at: null, line: null })
    Object.assign(this, { data, memory })
    this.pictures = data.pictures.map((file) => (file.filename ? picture(file, () => this.redraw()) : file))
    this.zoom = Math.max(1, Math.min(768 / Math.max(...data.size), 8)) // canvas pixels for one of the clip's
    this.canvas.width = Math.round(data.size[0] * this.zoom)
    this.canvas.height = Math.round(data.size[1] * this.zoom)
    this.scrubber.max = data.pictures.length - 1
    this.scrubber.hidden = data.pictures.length === 1
    this.goTo(Math.min(memory.frame ?? 0, data.pictures.length - 1))
  }

  // ---- marking -----------------------------------------------------------------------------------------------------

  release(event) {
    const { from, line } = this
    const at = this.pixel(event)
    Object.assign(this, { from: null, line: null })
    if (event.button !== 0 || !this.data || !from || !at) return this.redraw()
    if (line) return this.paint(line)
    const far = Math.max(Math.abs(at[0] - from[0]), Math.abs(at[1] - from[1])) > DRAGGED * this.data.size[0]
    if (far) this.mark('box', [Math.min(from[0], at[0]), Math.min(from[1], at[1]), Math.max(from[0], at[0]), Math.max(from[1], at[1])])
    else this.point(at, event.shiftKey)
  }

  /** A point set, or the one that lies there removed. */
  point(place, beside) {
    const left = withoutMark(this.text, place, this.memory.frame, 0.015 * this.data.size[0])
    if (left !== null) this.choose(left)
    else this.mark(beside ? 'not' : '', place)
  }

  /** A line of the brush, or of the eraser. */
  paint(line) {
    const radius = this.tools.radius(this.data.size)
    this.mark(this.tools.kind, [...thinned(line, THIN * radius).flat(), radius])
  }

  mark(kind, place) {
    this.choose(withMark(this.text, kind, place, this.memory.frame))
  }

  choose(text) {
    if (this.isLinked) return
    setValue(this.node, this.widget, text)
    this.redraw()
  }

  /** Draws again when the text changes by hand. */
  follow() {
    const { widget } = this
    const { callback } = widget
    widget.callback = (...all) => {
      callback?.apply(widget, all)
      this.redraw()
    }
  }

  press(event) {
    if (!this.data || event.ctrlKey || event.metaKey || event.altKey) return
    const [width, height] = this.data.size
    const here = this.at ?? [width >> 1, height >> 1]
    if ((event.key === 'Enter' || event.key === ' ') && this.tools.paints) this.paint([here])
    else if (event.key === 'Enter' || event.key === ' ') this.point(here, event.shiftKey)
    else if (event.key === 'Escape' && this.from) { Object.assign(this, { from: null, line: null }); this.redraw() }
    else if (event.key === 'Delete' || event.key === 'Backspace') this.choose(withoutLast(this.text, this.memory.frame)) // not the node
    else if (event.key === 'PageUp' || event.key === 'PageDown') {
      this.goTo(Math.max(0, Math.min(this.pictures.length - 1, this.memory.frame + (event.key === 'PageUp' ? -1 : 1))))
    } else if (event.key in ARROWS) {
      const step = Math.max(1, Math.round(width / 64))
      this.look([0, 1].map((axis) => Math.max(0, Math.min(this.data.size[axis] - 1, here[axis] + step * ARROWS[event.key][axis]))))
    } else return
    event.preventDefault()
    event.stopPropagation()
  }

  // ---- looking around ----------------------------------------------------------------------------------------------

  goTo(frame) {
    this.memory.frame = frame
    this.scrubber.value = frame
    this.scrubber.setAttribute('aria-valuetext', say('frame_of', { frame: frame + 1, count: this.pictures.length }))
    this.counter.textContent = `${frame + 1} / ${this.pictures.length}`
    this.redraw()
  }

  look(place) {
    if (place === null) Object.assign(this, { from: null, line: null })
    this.at = place
    this.redraw()
  }

  /** The clip's pixel under the pointer, or beyond its edge the nearest one while a box is drawn. */
  pixel(event) {
    const [x, y] = placeAt(event, this.canvas, this.zoom)
    const [width, height] = this.data.size
    const inside = x >= 0 && y >= 0 && x < width && y < height
    if (!inside && !this.from) return null
    return [Math.max(0, Math.min(width - 1, Math.floor(x))), Math.max(0, Math.min(height - 1, Math.floor(y)))]
  }

  // ---- what is shown -----------------------------------------------------------------------------------------------

  redraw() {
    if (!this.data) return
    const { canvas, memory: { frame }, zoom } = this
    const context = canvas.getContext('2d')
    context.clearRect(0, 0, canvas.width, canvas.height)
    if (isThere(this.pictures[frame])) context.drawImage(this.pictures[frame], 0, 0, canvas.width, canvas.height)
    const marks = readMarks(this.text)
    const here = marks.filter((mark) => mark.frame === frame)
    const radius = this.tools.radius(this.data.size)
    const drawing = this.line ? [{ kind: this.tools.kind, place: this.line.flat(), radius }] : []
    drawStrokes(context, [...here.filter(({ kind }) => isStroke(kind)), ...drawing], zoom)
    for (const mark of here) if (!isStroke(mark.kind)) drawMark(context, mark, zoom)
    if (this.tools.paints && this.at) drawBrush(context, this.at, radius, zoom)
    else if (this.from && this.at) drawMark(context, { kind: 'box', place: [...this.from, ...this.at] }, zoom)
    else if (this.at) drawCross(context, this.at, zoom)
    this.tell(marks)
  }

  tell(marks) {
    const { frame } = this.memory
    const here = marks.filter((mark) => mark.frame === frame).length
    const vain = vainMarks(this.text, this.data.size, this.data.count ?? this.pictures.length)
    const how = say(this.tools.paints ? 'brush_how' : 'marks_how')
    const said = vain.length
      ? [say('marks_vain', { parts: vain.map((part) => `“${part}”`).join(', ') })]
      : [say('marks', { marks: marks.length, here }), this.text === this.data.marks ? '' : say('marks_new'), how]
    if (this.pictures.some(isGone)) said.unshift(say('gone'))
    this.clear.disabled = this.isLinked
    this.status.textContent = this.isLinked ? say('marks_linked') : said.filter(Boolean).join(' ')
    this.canvas.setAttribute('aria-label', say('marks_picture', { frame: frame + 1, count: this.pictures.length, marks: here }))
  }
}
