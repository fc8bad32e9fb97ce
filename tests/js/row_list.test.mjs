// The rows' text, without a page. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { changed, colourOf, isBlank, lacking, readRows, standsIn, withoutRow, withRow, writeRows } from '../../js/row_list.js'

const row = (is = '', becomes = '', marks = '') => ({ is, becomes, marks })

test('a new node has two empty rows, and so has one whose text is none', () => {
  for (const text of ['', '[]', '{', '3', 'null', '{"is": "a"}']) assert.deepEqual(readRows(text), [row(), row()], text)
})

test('what is written is read again', () => {
  const rows = [row('a "wolf"', 'a bear', 'box 1, 2, 3, 4, 0'), row()]
  assert.deepEqual(readRows(writeRows(rows)), rows)
  assert.deepEqual(readRows('[{"is": "a", "becomes": 3}, null, "b"]'), [row('a'), row(), row()])
})

test('rows are changed, added and removed, and one is always left', () => {
  const rows = [row('a'), row('b')]
  assert.deepEqual(changed(rows, 1, { becomes: 'c' }), [row('a'), row('b', 'c')])
  assert.deepEqual(withRow(rows), [...rows, row()])
  assert.deepEqual(withoutRow(rows, 0), [row('b')])
  assert.deepEqual(withoutRow([row('b')], 0), [row()])
  assert.ok(isBlank(row(' ')) && !isBlank(row('', '', '1, 1, 0')))
})

test('the first row that lacks something is told', () => {
  assert.equal(lacking([row(), row()], [false, false]), null)
  assert.deepEqual(lacking([row(), row('', 'a bear')], [false, false]), { row: 1, lacks: 'is' })
  assert.deepEqual(lacking([row('a wolf')], [false]), { row: 0, lacks: 'marks' })
  assert.equal(lacking([row('a wolf')], [true]), null)
  assert.deepEqual(lacking([row()], [true]), { row: 0, lacks: 'is' })
})

test('words that the scene lacks are told, and how they are written there does not count', () => {
  assert.deepEqual(lacking([row('a wolf', '', '1, 1, 0'), row('a pig', '', '2, 2, 0')], [], 'a wolf in snow'), { row: 1, lacks: 'scene' })
  for (const unknown of [null, ' ', 'a wolf']) assert.equal(lacking([row('a wolf', '', '1, 1, 0')], [], unknown), null)
  for (const scene of ['A  Wolf, far away', '(a wolf:1.2) here', 'a (wolf:0.9)', 'wolfish, a wolf']) assert.ok(standsIn(scene, 'a wolf'), scene)
  for (const scene of ['a wolfhound', 'a big wolf', '']) assert.ok(!standsIn(scene, 'a wolf'), scene)
  assert.ok(standsIn('雪中的狼和猪', '狼') && !standsIn('a wolf', ' '))
})

test('the colours are those of regions', () => {
  const palette = readFileSync(new URL('../../videograin/views/palette.py', import.meta.url), 'utf8')
  const colours = [...palette.matchAll(/\((\d+), (\d+), (\d+)\)/g)].map(([, ...parts]) => `rgb(${parts.join(',')})`)
  assert.deepEqual(colours.map((_, number) => colourOf(number)), colours)
  assert.equal(colourOf(colours.length), colours[0])
})
