// Before/After Video: the source and its edit, side by side or one wiped over the other, always on the same frame and, when
// zoomed, on the same part of the picture.

import { regionsBefore } from './graph.js'
import { element, isGone, isThere, picture, placeAt, say } from './panel.js'
import { covering, moved, same, scaled, seen, through, WHOLE } from './zoom.js'

const SIDES = 'side by side'
const WIPE = 'wipe'
const STEP = 0.02 // of the width, for the line by keyboard
const LONGEST = 1024 // pixels of the longer side of one clip's picture; small clips are enlarged up to it
const DRAGGED = 0.02 // of the picture: less is a click, not a rectangle
const MARGIN = 0.1 // around a region that is zoomed into
const [CLOSER, PAN] = [0.8, 0.1] // by keyboard: a window's share of the one before, a move as a share of it
const MOVES = { a: [-PAN, 0], d: [PAN, 0], w: [0, -PAN], s: [0, PAN] }
const clamp = (value, least, most) => Math.max(least, Math.min(most, value))

export class Player {
  static kind = 'player'
  static label = 'player'
  height = 300

  constructor(node) {
    this.node = node
    this.playing = false
    this.drawn = null // a rectangle being drawn: {clip, from, to}, places in the picture
    this.canvas = element('canvas', { tabIndex: 0, role: 'application', className: 'stage' })
    this.back = this.button('◂', say('back'), () => this.step(-1))
    this.toggle = this.button('▶', say('play'), () => (this.playing ? this.pause() : this.play()))
    this.forth = this.button('▸', say('forth'), () => this.step(1))
    this.scrubber = element('input', { type: 'range', min: 0, value: 0, 'aria-label': say('frame') })
    this.counter = element('span', { className: 'counter' })
    this.mode = element('select', { 'aria-label': say('seen_as') },
      element('option', { value: SIDES, textContent: say('seen_sides') }),
      element('option', { value: WIPE, textContent: say('seen_wipe') }))
    this.line = element('input', { type: 'range', min: 0, max: 1, step: STEP / 2 })
    this.status = element('span', { className: 'counter', role: 'status' })
    const frames = element('div', { className: 'bar' }, this.back, this.toggle, this.forth, this.scrubber, this.counter)
    this.zoom = element('select', { 'aria-label': say('zoom'), className: 'zoom' })
    const looks = element('div', { className: 'bar' }, this.mode, this.zoom)
    this.lineBar = element('label', { title: say('line_hint') }, say('line'), this.line)
    const more = element('div', { className: 'bar' }, this.lineBar, this.status)
    this.element = element('div', {}, this.canvas, frames, looks, more)
    this.listen()
  }

  button(sign, title, act) {
    const made = element('button', { type: 'button', textContent: sign, title, 'aria-label': title })
    made.addEventListener('click', act)
    return made
  }

  listen() {
    const { canvas } = this
    canvas.addEventListener('pointerdown', (event) => this.grab(event))
    canvas.addEventListener('pointermove', (event) => this.drag(event))
    canvas.addEventListener('pointerup', () => this.release())
    canvas.addEventListener('pointercancel', () => this.drop())
    canvas.addEventListener('dblclick', (event) => { event.stopPropagation(); this.lookAt(WHOLE) })
    canvas.addEventListener('keydown', (event) => this.press(event))
    this.scrubber.addEventListener('input', () => { this.pause(); this.goTo(Number(this.scrubber.value)) })
    this.mode.addEventListener('change', () => this.compare(this.mode.value))
    this.line.addEventListener('input', () => this.wipeTo(Number(this.line.value)))
    this.zoom.addEventListener('change', () => this.lookAt(this.parts[this.zoom.value]))
  }

  /** data: as the node's `player` makes it. memory: what outlives the node's being made anew. */
  show(data, memory) {
    this.pause()
    Object.assign(this, { data, memory })
    this.count = Math.max(data.source.length, data.edited.length)
    this.clips = [data.source, data.edited].map((files) => files.map((file) => picture(file, () => this.draw())))
    const zoom = LONGEST / Math.max(...data.size)
    this.size = data.size.map((side) => Math.round(side * Math.min(zoom, 8)))
    this.scrubber.max = this.count - 1
    const given = `${data.mode} ${data.position}` // another choice on the node is shown; else what was chosen here stays
    if (memory.given !== given) Object.assign(memory, { given, mode: null, position: data.position })
    memory.part ??= WHOLE
    this.drawn = null
    this.regions = regionsBefore(this.node)
    this.line.value = memory.position
    this.compare(memory.mode ?? (data.mode.startsWith(WIPE) ? WIPE : SIDES))
    this.goTo(Math.min(memory.frame ?? 0, this.count - 1))
  }

  // ---- time --------------------------------------------------------------------------------------------------------

  play() {
    if (this.count < 2 || this.gone) return
    this.playing = true
    this.due = performance.now()
    this.tell()
    requestAnimationFrame(this.tick)
  }

  pause() {
    this.playing = false
    if (this.data) this.tell()
  }

  /** Both clips are drawn at once, from pictures that are there: they cannot drift apart. */
  tick = (now) => {
    if (!this.playing) return
    if (!this.element.isConnected) return this.pause()
    const next = (this.memory.frame + 1) % this.count
    if (now >= this.due && this.ready(next)) {
      this.due = Math.max(now, this.due + 1000 / this.data.fps)
      this.goTo(next)
    }
    requestAnimationFrame(this.tick)
  }

  step(by) {
    this.pause()
    this.goTo((this.memory.frame + by + this.count) % this.count)
  }

  goTo(frame) {
    this.memory.frame = frame
    this.scrubber.value = frame
    this.counter.textContent = `${frame + 1} / ${this.count}`
    this.draw()
  }

  // ---- looks -------------------------------------------------------------------------------------------------------

  compare(mode) {
    this.memory.mode = mode
    this.mode.value = mode
    const wipe = mode === WIPE
    this.lineBar.hidden = !wipe
    this.gap = wipe ? 0 : Math.round(this.size[0] / 64)
    this.canvas.width = wipe ? this.size[0] : 2 * this.size[0] + this.gap
    this.canvas.height = this.size[1]
    this.canvas.style.cursor = wipe ? 'ew-resize' : 'zoom-in'
    this.lookAt(this.memory.part)
  }

  wipeTo(position) {
    this.memory.position = clamp(position, 0, 1)
    this.line.value = this.memory.position
    this.draw()
  }

  // ---- zoom --------------------------------------------------------------------------------------------------------

  /** part: a window into both clips. */
  lookAt(part) {
    if (!this.data) return
    this.memory.part = part
    this.offer()
    this.draw()
  }

  /** Names the parts that can be gone to: the whole, the edit's regions, and the one drawn by hand. */
  offer() {
    const regions = this.regions.map(({ phrase, box }, number) => [`${number + 1} ${phrase || say('no_phrase')}`, covering(box, MARGIN)])
    const entries = [[say('whole'), WHOLE], ...regions]
    this.parts = entries.map(([, part]) => part)
    const chosen = this.parts.findIndex((part) => same(part, this.memory.part))
    const hint = say(this.memory.mode === WIPE ? 'shift_drag' : 'drag')
    const own = element('option', { textContent: chosen < 0 ? say('part') : hint, disabled: true, value: -1 })
    this.zoom.replaceChildren(...entries.map(([name], value) => element('option', { textContent: name, value })), own)
    this.zoom.value = chosen
  }

  grab(event) {
    if (!this.data || event.button !== 0) return
    this.canvas.setPointerCapture(event.pointerId)
    if (this.memory.mode === WIPE && !event.shiftKey) return this.drag(event)
    const clip = Number(this.memory.mode === SIDES && this.across(event) > 0.5)
    const from = this.place(event, clip)
    this.drawn = { clip, from, to: from }
  }

  /** Draws a rectangle, or takes the line along. */
  drag(event) {
    if (!this.data || !(event.buttons & 1)) return
    if (this.drawn) {
      this.drawn.to = this.place(event, this.drawn.clip)
      this.draw()
    } else if (this.memory.mode === WIPE) this.wipeTo(this.across(event))
  }

  release() {
    if (!this.drawn) return
    const [left, top, right, bottom] = this.rectangle()
    this.drawn = null
    if (Math.max(right - left, bottom - top) > DRAGGED * this.memory.part[2]) this.lookAt(covering([left, top, right, bottom]))
    else this.draw()
  }

  drop() {
    this.drawn = null
    this.draw()
  }

  rectangle() {
    const { from, to } = this.drawn
    return [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])]
  }

  /** Where the pointer is across all that is shown, 0 to 1. */
  across(event) {
    return placeAt(event, this.canvas, this.canvas.width)[0]
  }

  /** The picture's place under the pointer in the first or second clip, or the nearest one. */
  place(event, clip) {
    const [x, y] = placeAt(event, this.canvas, 1)
    const [width, height] = this.size
    return through(this.memory.part, [clamp((x - this.start(clip)) / width, 0, 1), clamp(y / height, 0, 1)])
  }

  /** Canvas pixels left of a clip. */
  start(clip) {
    return this.memory.mode === SIDES ? clip * (this.size[0] + this.gap) : 0
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------

  /** A clip of one picture stands still beside the other. */
  pictures(frame) {
    return this.clips.map((clip) => clip[frame % clip.length])
  }

  ready(frame) {
    return this.pictures(frame).every(isThere)
  }

  get gone() {
    return this.clips.flat().some(isGone)
  }

  draw() {
    if (!this.data || this.memory.frame === undefined) return
    this.tell()
    if (!this.ready(this.memory.frame)) return
    const context = this.canvas.getContext('2d')
    const [before, after] = this.pictures(this.memory.frame)
    const [width, height] = this.size
    context.clearRect(0, 0, this.canvas.width, height)
    this.lay(context, before, 0)
    if (this.memory.mode === SIDES) this.lay(context, after, width + this.gap)
    else this.wipe(context, after)
    if (this.drawn) this.outline(context)
  }

  /** The part that is looked at, of a clip's picture; left: in canvas pixels. */
  lay(context, picture, left) {
    const [x, y, share] = this.memory.part
    const { naturalWidth: width, naturalHeight: height } = picture
    context.drawImage(picture, x * width, y * height, share * width, share * height, left, 0, ...this.size)
  }

  /** The rectangle being drawn, on both clips. */
  outline(context) {
    const [left, top, right, bottom] = this.rectangle()
    const [width, height] = this.size
    const [from, to] = [[left, top], [right, bottom]].map((corner) => seen(this.memory.part, corner))
    for (const clip of this.memory.mode === SIDES ? [0, 1] : [0]) {
      for (const [colour, line] of [['black', width / 50], ['white', width / 100]]) {
        Object.assign(context, { strokeStyle: colour, lineWidth: line })
        context.strokeRect(this.start(clip) + from[0] * width, from[1] * height, (to[0] - from[0]) * width, (to[1] - from[1]) * height)
      }
    }
  }

  wipe(context, after) {
    const [width, height] = this.size
    const at = Math.round(this.memory.position * width)
    context.save()
    context.beginPath()
    context.rect(at, 0, width - at, height)
    context.clip()
    this.lay(context, after, 0)
    context.restore()
    const line = Math.max(2, width / 200)
    context.fillStyle = 'black'
    context.fillRect(at - line, 0, 2 * line, height)
    context.fillStyle = 'white'
    context.fillRect(at - line / 2, 0, line, height)
  }

  tell() {
    const waiting = this.clips.flat().filter((picture) => !isThere(picture) && !isGone(picture)).length
    const rate = say('fps', { rate: Number(this.data.fps.toFixed(2)) })
    this.status.textContent = this.gone ? say('gone') : waiting ? say('loading', { count: waiting }) : rate
    this.toggle.textContent = this.playing ? '❚❚' : '▶'
    this.toggle.title = say(this.playing ? 'pause' : 'play')
    this.toggle.setAttribute('aria-label', this.toggle.title)
    const what = say(this.memory.mode === WIPE ? 'player_wipe' : 'player_sides')
    this.canvas.setAttribute('aria-label', say('player_picture', { what, frame: (this.memory.frame ?? 0) + 1, count: this.count }))
  }

  press(event) {
    if (!this.data || event.ctrlKey || event.metaKey || event.altKey) return
    const { part } = this.memory
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    const move = MOVES[event.key.toLowerCase()]
    if (event.key === ' ') this.playing ? this.pause() : this.play()
    else if (way && event.shiftKey) this.wipeTo(this.memory.position + way * STEP)
    else if (way) this.step(way)
    else if (event.key === 'Home' || event.key === 'End') { this.pause(); this.goTo(event.key === 'Home' ? 0 : this.count - 1) }
    else if (event.key === '+' || event.key === '=') this.lookAt(scaled(part, CLOSER))
    else if (event.key === '-') this.lookAt(scaled(part, 1 / CLOSER))
    else if (move) this.lookAt(moved(part, ...move))
    else if (event.key === 'Escape' && this.drawn) this.drop()
    else if (event.key === 'Escape' && !same(part, WHOLE)) this.lookAt(WHOLE)
    else return
    event.preventDefault()
    event.stopPropagation()
  }
}
