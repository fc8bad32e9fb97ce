// What the pointer does on a picture to mark: boxes and points, paint, or erase; and how broad the brush is.

import { element, say } from './panel.js'

const KINDS = ['box', 'brush', 'erase']
const [LEAST, FIRST, MOST] = [5, 40, 250] // radius in thousandths of the picture's longer side

export class MarkTools {
  kind = 'box'

  /** changed: called when another tool or size is chosen. */
  constructor(changed) {
    const names = [say('tool_box'), say('tool_brush'), say('tool_erase')]
    const hints = [say('tool_box_hint'), say('tool_brush_hint'), say('tool_erase_hint')]
    this.buttons = names.map((textContent, index) => element('button', { type: 'button', textContent, title: hints[index] }))
    const size = say('brush_size')
    this.size = element('input', { type: 'range', min: LEAST, max: MOST, value: FIRST, title: size, 'aria-label': size })
    this.element = element('div', { className: 'bar', role: 'group', 'aria-label': say('tools') }, ...this.buttons, this.size)
    this.buttons.forEach((button, index) => button.addEventListener('click', () => {
      this.choose(KINDS[index])
      changed()
    }))
    this.size.addEventListener('input', changed)
    this.choose(this.kind)
  }

  choose(kind) {
    this.kind = kind
    this.buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(KINDS[index] === kind)))
    this.size.style.visibility = this.paints ? '' : 'hidden'
  }

  get paints() {
    return this.kind !== 'box'
  }

  /** In pixels of a picture of some [width, height]. */
  radius(size) {
    return Math.max(1, Math.round((Number(this.size.value) / 1000) * Math.max(...size)))
  }
}
