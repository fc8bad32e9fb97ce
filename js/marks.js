// Marks as text, the way Points to Region reads them: “310, 200, 0; not 50, 60, 0; box 250, 120, 400, 330, 0”, and painted
// lines, “brush 310, 200, 330, 210, 12, 0”, of that radius.

const MARK = /^(?:(not|box|brush|erase)\s+)?(\d+(?:\s*,\s*\d+)*)$/

const partsOf = (text) => text.split(/[;\n]/).map((part) => part.trim()).filter(Boolean)
export const isStroke = (kind) => kind === 'brush' || kind === 'erase'
const isComplete = (kind, count) => (isStroke(kind) ? count >= 4 && count % 2 === 0 : count === (kind === 'box' ? 5 : 3))

/** The marks of a text; what is no mark is left out. Each is {kind, place, radius (0 but for strokes), frame, text}. */
export function readMarks(text) {
  return partsOf(text).flatMap((part) => {
    const [, kind = '', written] = MARK.exec(part) ?? []
    const numbers = written?.split(',').map(Number) ?? []
    if (!isComplete(kind, numbers.length)) return []
    const place = numbers.slice(0, isStroke(kind) ? -2 : -1)
    return [{ kind, place, radius: isStroke(kind) ? numbers.at(-2) : 0, frame: numbers.at(-1), text: part }]
  })
}

/** The parts of a text that are no mark of a clip of this size and length; a run stops at them. */
export function vainMarks(text, [width, height], frames) {
  const sides = [width, height]
  const sized = ({ kind, radius }) => !isStroke(kind) || (radius >= 1 && radius <= Math.max(...sides))
  const fits = (mark) => mark.frame < frames && mark.place.every((at, axis) => at < sides[axis % 2]) && sized(mark)
  const fine = new Set(readMarks(text).filter(fits).map((mark) => mark.text))
  return partsOf(text).filter((part) => !fine.has(part))
}

/** A text without the last mark of a frame. */
export function withoutLast(text, frame) {
  const last = readMarks(text).filter((mark) => mark.frame === frame).at(-1)
  const parts = partsOf(text)
  if (last) parts.splice(parts.lastIndexOf(last.text), 1)
  return parts.join('; ')
}

/** A text with one mark more. */
export function withMark(text, kind, place, frame) {
  return [...partsOf(text), `${kind} ${[...place, frame].join(', ')}`.trim()].join('; ')
}

/** A text without the boxes of a frame. */
export function withoutBoxes(text, frame) {
  const boxes = new Set(readMarks(text).filter((mark) => mark.kind === 'box' && mark.frame === frame).map((mark) => mark.text))
  return partsOf(text).filter((part) => !boxes.has(part)).join('; ')
}

/** A text without a point that lies within `reach` pixels of a place; null if there is none. */
export function withoutMark(text, place, frame, reach) {
  const near = readMarks(text).find((mark) => (mark.kind === '' || mark.kind === 'not') && mark.frame === frame
    && Math.hypot(mark.place[0] - place[0], mark.place[1] - place[1]) <= reach)
  if (!near) return null
  const parts = partsOf(text)
  parts.splice(parts.indexOf(near.text), 1)
  return parts.join('; ')
}

/** A text whose marks lie as they did, in a picture that is `ratio` times as wide and as high. */
export function scaledMarks(text, ratio) {
  if (ratio.every((each) => each === 1)) return text
  return readMarks(text).map(({ kind, place, radius, frame }) => {
    const there = place.map((at, index) => Math.floor((at + 0.5) * ratio[index % 2]))
    const broad = isStroke(kind) ? [Math.max(1, Math.round(radius * ratio[0]))] : []
    return `${kind} ${[...there, ...broad, frame].join(', ')}`.trim()
  }).join('; ')
}

/** How much of each other two boxes are: the share of both that they have in common. */
export function overlap(one, other) {
  const [a, b] = [one, other].map(([left, top, right, bottom]) => [
    [Math.min(left, right), Math.max(left, right) + 1], [Math.min(top, bottom), Math.max(top, bottom) + 1],
  ])
  const common = [0, 1].map((axis) => Math.max(0, Math.min(a[axis][1], b[axis][1]) - Math.max(a[axis][0], b[axis][0])))
  const [both, first, second] = [common, ...[a, b].map((box) => box.map(([from, to]) => to - from))].map(([x, y]) => x * y)
  return both / (first + second - both)
}

/** The points of a line, [[x, y], …], without those that lie within `most` pixels of the line through the rest. */
export function thinned(points, most) {
  if (points.length < 3) return points
  const [first, last] = [points[0], points.at(-1)]
  const away = points.map((point) => distance(point, first, last))
  const farthest = away.indexOf(Math.max(...away))
  if (away[farthest] <= most) return [first, last]
  return [...thinned(points.slice(0, farthest + 1), most).slice(0, -1), ...thinned(points.slice(farthest), most)]
}

function distance([x, y], [fromX, fromY], [toX, toY]) {
  const [across, down] = [toX - fromX, toY - fromY]
  const along = ((x - fromX) * across + (y - fromY) * down) / (across ** 2 + down ** 2 || 1)
  const share = Math.max(0, Math.min(1, along))
  return Math.hypot(x - fromX - share * across, y - fromY - share * down)
}
