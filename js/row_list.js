// The rows of Regions as text, the way videograin/core/scene.py reads them. Nothing here touches the page.

import { NAMES } from './demo_words.js'
import { overlap, readMarks } from './marks.js'

const EMPTY = { is: '', becomes: '', marks: '' } // and `cut`, of marks that were set on another: see carried_marks.js
const BEGUN = 2 // rows of a new node
const ALIKE = 0.7 // share that two boxes have in common
const SHOWN = NAMES.slice(0, 10) // of the demo model's words
// As videograin/views/palette.py; more rows repeat them.
const COLOURS = ['230,159,0', '86,180,233', '0,158,115', '240,228,66', '0,114,178', '213,94,0', '204,121,167']

export const colourOf = (row) => `rgb(${COLOURS[row % COLOURS.length]})`

/** The rows of a text; two empty ones where it holds none. */
export function readRows(text) {
  const found = parsed(text)
  const rows = (Array.isArray(found) ? found : []).map((row) => ({ ...EMPTY, ...textsOf(row) }))
  return rows.length ? rows : Array.from({ length: BEGUN }, () => ({ ...EMPTY }))
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function textsOf(row) {
  const names = Object.keys(EMPTY).filter((name) => typeof row?.[name] === 'string')
  const texts = Object.fromEntries(names.map((name) => [name, row[name]]))
  return Array.isArray(parsed(row?.cut)) ? { ...texts, cut: row.cut } : texts
}

export const writeRows = (rows) => JSON.stringify(rows)

/** Rows with some fields of one changed. */
export const changed = (rows, number, fields) => rows.map((row, at) => (at === number ? { ...row, ...fields } : row))

export const withRow = (rows) => [...rows, { ...EMPTY }]

/** Rows without one; the last one that is left is emptied. */
export function withoutRow(rows, number) {
  return rows.length > 1 ? rows.filter((_, at) => at !== number) : [{ ...EMPTY }]
}

export const isBlank = ({ is, becomes, marks }) => !(is.trim() || becomes.trim() || marks.trim())

/**
 * What is wrong with each row: a list for each, of {what, and values of the text that says so}.
 * masked: of each row, whether its mask is linked. scene: null where it is not known. draws: whether the model knows a phrase.
 */
export function problems(rows, masked, scene, draws = () => true) {
  return rows.map((entry, row) => {
    if (isBlank(entry) && !masked[row]) return []
    const words = entry.is.trim()
    const strange = [entry.is, entry.becomes].filter((phrase) => !draws(phrase))
    const twin = masked[row] ? -1 : rows.findIndex((other, at) => at !== row && !masked[at] && boxedAlike(entry.marks, other.marks))
    return [
      !words && { what: 'nameless' },
      words && scene?.trim() && !standsIn(scene, words) && { what: 'not in scene', words },
      ...strange.map((phrase) => ({ what: 'strange', words: phrase.trim(), known: SHOWN.join(', ') })),
      !entry.marks.trim() && !masked[row] && { what: 'unmarked' },
      entry.marks.trim() && entry.cut && !masked[row] && { what: 'moved' },
      twin >= 0 && { what: 'twin', other: twin + 1 },
    ].filter(Boolean)
  })
}

/** Whether two rows have nearly the same box in a frame: one thing twice. */
function boxedAlike(one, other) {
  const [first, second] = [one, other].map((text) => readMarks(text).filter(({ kind }) => kind === 'box'))
  return first.some((box) => second.some((twin) => twin.frame === box.frame && overlap(box.place, twin.place) > ALIKE))
}

/** Whether a text has some words, as whole words; case, weights and brackets do not count. The node itself looks closer. */
export function standsIn(scene, words) {
  const [text, wanted] = [scene, words].map(bare)
  for (let at = text.indexOf(wanted); wanted && at >= 0; at = text.indexOf(wanted, at + 1)) {
    const end = at + wanted.length
    if (!isJoined(text[at - 1], text[at]) && !isJoined(text[end - 1], text[end])) return true
  }
  return false
}

const bare = (text) => text.normalize('NFKC').toLowerCase().replace(/:\s*[\d.]+\s*\)/g, ')').replace(/[()\\\s]+/g, ' ').trim()
const SPACED = /[\p{L}\p{N}\p{M}_]/u
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u
const isJoined = (...pair) => pair.every((sign) => sign && SPACED.test(sign) && !UNSPACED.test(sign))
