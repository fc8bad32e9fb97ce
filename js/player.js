// Before/After Video: the source and its edit, side by side or one wiped over the other, always on the same frame.

import { element, pictureUrl } from './panel.js'

const SIDES = 'side by side'
const WIPE = 'wipe'
const STEP = 0.02 // of the width, for the line by keyboard
const LONGEST = 1024 // pixels of the longer side of one clip's picture; small clips are enlarged up to it
const clamp = (value, least, most) => Math.max(least, Math.min(most, value))

export class Player {
  height = 300

  constructor() {
    this.playing = false
    this.canvas = element('canvas', { tabIndex: 0, role: 'application', className: 'stage' })
    this.back = this.button('◂', 'One frame back (←)', () => this.step(-1))
    this.toggle = this.button('▶', 'Play (space)', () => (this.playing ? this.pause() : this.play()))
    this.forth = this.button('▸', 'One frame forward (→)', () => this.step(1))
    this.scrubber = element('input', { type: 'range', min: 0, value: 0, 'aria-label': 'Frame' })
    this.counter = element('span', { className: 'counter' })
    this.mode = element('select', { 'aria-label': 'Comparison' }, ...[SIDES, WIPE].map((name) => element('option', { textContent: name })))
    this.line = element('input', { type: 'range', min: 0, max: 1, step: STEP / 2, 'aria-label': 'Line between source and edit' })
    this.status = element('span', { className: 'counter', role: 'status' })
    const frames = element('div', { className: 'bar' }, this.back, this.toggle, this.forth, this.scrubber, this.counter)
    const looks = element('div', { className: 'bar' }, this.mode, this.line, this.status)
    this.element = element('div', {}, this.canvas, frames, looks)
    this.listen()
  }

  button(sign, title, act) {
    const made = element('button', { type: 'button', textContent: sign, title, 'aria-label': title })
    made.addEventListener('click', act)
    return made
  }

  listen() {
    const { canvas } = this
    const drag = (event) => {
      if (!this.data || this.memory.mode !== WIPE || !(event.buttons & 1)) return
      this.wipeTo(this.across(event))
    }
    canvas.addEventListener('pointerdown', (event) => { canvas.setPointerCapture(event.pointerId); drag(event) })
    canvas.addEventListener('pointermove', drag)
    canvas.addEventListener('keydown', (event) => this.press(event))
    this.scrubber.addEventListener('input', () => { this.pause(); this.goTo(Number(this.scrubber.value)) })
    this.mode.addEventListener('change', () => this.compare(this.mode.value))
    this.line.addEventListener('input', () => this.wipeTo(Number(this.line.value)))
  }

  /** data: as the node's `player` makes it. memory: what outlives the node's being made anew. */
  show(data, memory) {
    this.pause()
    Object.assign(this, { data, memory })
    this.count = Math.max(data.source.length, data.edited.length)
    this.clips = [data.source, data.edited].map((files) => files.map((file) => this.load(file)))
    const zoom = LONGEST / Math.max(...data.size)
    this.size = data.size.map((side) => Math.round(side * Math.min(zoom, 8)))
    this.scrubber.max = this.count - 1
    memory.position ??= data.position
    this.line.value = memory.position
    this.compare(memory.mode ?? (data.mode.startsWith(WIPE) ? WIPE : SIDES))
    this.goTo(Math.min(memory.frame ?? 0, this.count - 1))
  }

  load(file) {
    return element('img', { src: pictureUrl(file), decoding: 'async', onload: () => this.draw() })
  }

  // ---- time --------------------------------------------------------------------------------------------------------

  play() {
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
    this.line.disabled = !wipe
    this.gap = wipe ? 0 : Math.round(this.size[0] / 64)
    this.canvas.width = wipe ? this.size[0] : 2 * this.size[0] + this.gap
    this.canvas.height = this.size[1]
    this.canvas.style.cursor = wipe ? 'ew-resize' : 'default'
    this.draw()
  }

  wipeTo(position) {
    this.memory.position = clamp(position, 0, 1)
    this.line.value = this.memory.position
    this.draw()
  }

  /** Where the pointer is across the picture, 0 to 1; the picture is fitted into the element. */
  across(event) {
    const box = this.canvas.getBoundingClientRect()
    const width = this.canvas.width * Math.min(box.width / this.canvas.width, box.height / this.canvas.height)
    return (event.clientX - box.x - (box.width - width) / 2) / width
  }

  /** A clip of one picture stands still beside the other. */
  pictures(frame) {
    return this.clips.map((clip) => clip[frame % clip.length])
  }

  ready(frame) {
    return this.pictures(frame).every((picture) => picture.complete && picture.naturalWidth > 0)
  }

  draw() {
    if (!this.data || this.memory.frame === undefined) return
    this.tell()
    if (!this.ready(this.memory.frame)) return
    const context = this.canvas.getContext('2d')
    const [before, after] = this.pictures(this.memory.frame)
    const [width, height] = this.size
    context.clearRect(0, 0, this.canvas.width, height)
    context.drawImage(before, 0, 0, width, height)
    if (this.memory.mode === SIDES) context.drawImage(after, width + this.gap, 0, width, height)
    else this.wipe(context, after)
  }

  wipe(context, after) {
    const [width, height] = this.size
    const at = Math.round(this.memory.position * width)
    context.save()
    context.beginPath()
    context.rect(at, 0, width - at, height)
    context.clip()
    context.drawImage(after, 0, 0, width, height)
    context.restore()
    const line = Math.max(2, width / 200)
    context.fillStyle = 'black'
    context.fillRect(at - line, 0, 2 * line, height)
    context.fillStyle = 'white'
    context.fillRect(at - line / 2, 0, line, height)
  }

  tell() {
    const waiting = this.clips.flat().filter((picture) => !picture.complete).length
    this.status.textContent = waiting ? `loading ${waiting}` : `${Number(this.data.fps.toFixed(2))} fps`
    this.toggle.textContent = this.playing ? '❚❚' : '▶'
    this.toggle.title = this.playing ? 'Pause (space)' : 'Play (space)'
    this.toggle.setAttribute('aria-label', this.toggle.title)
    const sides = this.memory.mode === WIPE ? 'The source left of the line, the edit right of it' : 'The source, and right of it the edit'
    this.canvas.setAttribute('aria-label', `${sides}, frame ${(this.memory.frame ?? 0) + 1} of ${this.count}. Space plays, the `
      + 'arrow keys step, with shift they move the line.')
  }

  press(event) {
    if (!this.data || event.ctrlKey || event.metaKey || event.altKey) return
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (event.key === ' ') this.playing ? this.pause() : this.play()
    else if (way && event.shiftKey) this.wipeTo(this.memory.position + way * STEP)
    else if (way) this.step(way)
    else if (event.key === 'Home' || event.key === 'End') { this.pause(); this.goTo(event.key === 'Home' ? 0 : this.count - 1) }
    else return
    event.preventDefault()
    event.stopPropagation()
  }
}
