// Split Instances: a row for each thing, with its picture, number, name and area.

import { element, load, say } from './panel.js'
import { css, curve, span } from './region_overview.js'

const ROW = 72 // pixels

export class InstanceList {
  static kind = 'instances'
  static label = 'instances'
  height = 2 * ROW

  constructor() {
    this.list = element('ol', { className: 'regions' })
    this.element = element('div', { tabIndex: 0, role: 'region', 'aria-label': say('instances') }, this.list)
  }

  /** data: as the node's `_rows` makes it. */
  show({ rows }) {
    this.list.replaceChildren(...rows.map((row, index) => this.row(row, index + 1)))
    this.height = ROW * rows.length
  }

  row({ name, colour, area, picture }, number) {
    const thumbnail = load(element('img', { className: 'thumbnail', alt: name }), picture)
    const swatch = element('span', { className: 'swatch', textContent: number })
    swatch.style.background = css(colour)
    const range = element('span', { className: 'range', textContent: span(area) })
    const title = element('b', { textContent: name, title: name })
    const words = element('div', { className: 'words' }, title, range, curve(area, css(colour)))
    return element('li', { className: 'head instance' }, swatch, thumbnail, words)
  }
}
