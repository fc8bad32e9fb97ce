// The rows' text, without a page. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { draws } from '../../js/demo_words.js'
import { changed, colourOf, isBlank, problems, readRows, standsIn, withoutRow, withRow, writeRows } from '../../js/row_list.js'

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

const found = (...given) => problems(...given).map((row) => row.map(({ what }) => what))

test('what is wrong stands with its row', () => {
  assert.deepEqual(found([row(), row()], [false, false]), [[], []])
  assert.deepEqual(found([row(), row('', 'a bear'), row('a wolf')], []), [[], ['nameless', 'unmarked'], ['unmarked']])
  assert.deepEqual(found([row('a wolf')], [true]), [[]])
  assert.deepEqual(found([row()], [true]), [['nameless']])
})

test('two rows with one box in a frame are told on both', () => {
  const boxed = (...boxes) => boxes.map((box) => row('a wolf', '', `3, 3, 0; box ${box}`))
  assert.deepEqual(problems(boxed('10, 10, 60, 60, 0', '12, 11, 60, 63, 0'), []).flat(), [{ what: 'twin', other: 2 }, { what: 'twin', other: 1 }])
  for (const other of ['12, 11, 60, 63, 1', '30, 30, 80, 80, 0', '20, 20, 30, 30, 0']) {
    assert.deepEqual(found(boxed('10, 10, 60, 60, 0', other), []), [[], []], other)
  }
  assert.deepEqual(found(boxed('10, 10, 60, 60, 0', '10, 10, 60, 60, 0'), [false, true]), [[], []])
})

test('words that the demo model does not know are told', () => {
  const [problem] = problems([row('a cat', ' an elephant ', '1, 1, 0')], [], null, draws).flat()
  assert.ok(problem.what === 'strange' && problem.words === 'an elephant' && problem.known.startsWith('cat, dog'))
  assert.deepEqual(found([row('(A Cat:1.2) with a hat,', 'an owl in the snow', '1, 1, 0')], [], null, draws), [[]])
  assert.deepEqual(found([row('cats', '一只狼', '1, 1, 0')], [], null, draws), [['strange', 'strange']])
})

test('words that the scene lacks are told, and how they are written there does not count', () => {
  const marked = [row('a wolf', '', '1, 1, 0'), row('a pig', '', '2, 2, 0')]
  assert.deepEqual(problems(marked, [], 'a wolf in snow'), [[], [{ what: 'not in scene', words: 'a pig' }]])
  for (const unknown of [null, ' ', 'a wolf']) assert.deepEqual(found([row('a wolf', '', '1, 1, 0')], [], unknown), [[]])
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
