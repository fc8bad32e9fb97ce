// Bind Region Prompts: every region's mask on a strip of frames, its words in the prompt, its area, and what is odd.

import { element, load, say, sayMark } from './panel.js'
import { percent } from './words.js'

const SVG = 'http://www.w3.org/2000/svg'
const [WIDE, HIGH] = [90, 28] // of a curve, in pixels
const NARROW = 260 // pixels: the usual width of a node
export const css = (colour) => `rgb(${colour.join(',')})`

export class RegionOverview {
  static kind = 'regions'
  static label = 'regions'
  height = 260

  constructor() {
    this.strip = element('img', { className: 'strip' })
    this.prompt = element('p', { className: 'prompt' })
    this.list = element('ol', { className: 'regions' })
    this.marks = element('p', { className: 'marks' })
    const parts = [this.strip, this.prompt, this.list, this.marks]
    this.element = element('div', { tabIndex: 0, role: 'region', 'aria-label': say('regions') }, ...parts)
  }

  /** data: as the node's `sheet` makes it. */
  show(data) {
    load(this.strip, data.strip)
    this.strip.alt = say('regions_picture', { count: data.regions.length })
    this.prompt.replaceChildren(...data.prompt.map(([text, region]) => this.piece(text, region, data.regions)))
    this.list.replaceChildren(...data.regions.map((region, number) => this.row(region, number)))
    this.marks.textContent = data.marks.map(sayMark).join(' ')
    const lines = data.regions.reduce((sum, { phrase, marks }) => sum + 2.4 + phrase.length / 22 + 1.5 * marks.length, 0)
    this.height = Math.min(520, Math.round((NARROW * data.size[1]) / data.size[0] + 80 + 18 * lines))
  }

  /** Some words of the prompt, in the colour and with the number of their region. */
  piece(text, number, regions) {
    if (number === null) return text
    const made = element('mark', {}, text, element('sup', { textContent: number + 1 }))
    made.style.borderBottomColor = css(regions[number].colour)
    return made
  }

  row({ phrase, area, marks, colour }, number) {
    const swatch = element('span', { className: 'swatch', textContent: number + 1 })
    swatch.style.background = css(colour)
    const range = element('span', { className: 'range', textContent: span(area) })
    const words = element('div', { className: 'words' }, element('b', { textContent: phrase || say('no_phrase') }), range)
    const head = element('div', { className: 'head' }, swatch, words, curve(area, css(colour)))
    const found = element('ul', {}, ...marks.map((mark) => element('li', { textContent: sayMark(mark) })))
    return element('li', {}, head, ...(marks.length ? [found] : []))
  }
}

/** From least to most of a frame, in words. */
export function span(area) {
  const [least, most] = [Math.min(...area), Math.max(...area)].map(percent)
  return least === most ? say('each_frame', { share: most }) : say('some_frames', { least, most })
}

/** A line through the areas of all frames, from 0 at the bottom to the largest at the top. */
export function curve(area, colour) {
  const top = Math.max(...area) || 1
  const last = Math.max(area.length - 1, 1)
  const points = area.map((share, frame) => `${2 + (frame * (WIDE - 4)) / last},${HIGH - 2 - (share / top) * (HIGH - 4)}`)
  const made = document.createElementNS(SVG, 'svg')
  const attributes = { viewBox: `0 0 ${WIDE} ${HIGH}`, width: WIDE, height: HIGH, role: 'img', 'aria-label': say('curve') }
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  const line = document.createElementNS(SVG, 'polyline')
  const path = points.length > 1 ? points.join(' ') : `${points[0]} ${WIDE - 2},2`
  const looks = { points: path, fill: 'none', stroke: colour, 'stroke-width': 2 }
  for (const [name, value] of Object.entries(looks)) line.setAttribute(name, value)
  made.append(line)
  return made
}
