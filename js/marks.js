// Marks as text, the way Points to Region reads them: “310, 200, 0; not 50, 60, 0; box 250, 120, 400, 330, 0”.

const MARK = /^(not\s+|box\s+)?(\d+(?:\s*,\s*\d+)*)$/

const partsOf = (text) => text.split(/[;\n]/).map((part) => part.trim()).filter(Boolean)

/** The marks of a text; what is no mark is left out. Each is {kind, place, frame, text}. */
export function readMarks(text) {
  return partsOf(text).flatMap((part) => {
    const found = MARK.exec(part)
    const kind = found?.[1]?.trim() ?? ''
    const numbers = found?.[2].split(',').map(Number) ?? []
    if (numbers.length !== (kind === 'box' ? 5 : 3)) return []
    return [{ kind, place: numbers.slice(0, -1), frame: numbers.at(-1), text: part }]
  })
}

/** The parts of a text that are no mark of a clip of this size and length; a run stops at them. */
export function vainMarks(text, [width, height], frames) {
  const sides = [width, height]
  const fits = ({ place, frame }) => frame < frames && place.every((at, axis) => at < sides[axis % 2])
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

/** A text without a point that lies within `reach` pixels of a place; null if there is none. */
export function withoutMark(text, place, frame, reach) {
  const near = readMarks(text).find((mark) => mark.kind !== 'box' && mark.frame === frame
    && Math.hypot(mark.place[0] - place[0], mark.place[1] - place[1]) <= reach)
  if (!near) return null
  const parts = partsOf(text)
  parts.splice(parts.indexOf(near.text), 1)
  return parts.join('; ')
}
