// The marks' text, without a page. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMarks, withMark, withoutMark } from '../../js/marks.js'

test('points, points beside and boxes are read, anything else is not', () => {
  const marks = readMarks('310, 200, 0; not 50,60 , 3;\nbox 10, 20, 30, 40, 7; nonsense; 1, 2; box 1, 2, 3, 4')
  assert.deepEqual(marks.map(({ kind, place, frame }) => [kind, place, frame]), [
    ['', [310, 200], 0], ['not', [50, 60], 3], ['box', [10, 20, 30, 40], 7],
  ])
})

test('a mark is added at the end', () => {
  assert.equal(withMark('', '', [3, 4], 0), '3, 4, 0')
  assert.equal(withMark('3, 4, 0;', 'box', [1, 2, 3, 4], 5), '3, 4, 0; box 1, 2, 3, 4, 5')
  assert.equal(withMark('3, 4, 0\nnot 1, 1, 1', 'not', [9, 9], 2), '3, 4, 0; not 1, 1, 1; not 9, 9, 2')
})

test('a near point of the same frame is removed, and nothing else', () => {
  const text = 'box 1, 2, 3, 4, 0; 10, 10, 0; not 20, 20, 0; 10, 10, 1'
  assert.equal(withoutMark(text, [11, 10], 0, 3), 'box 1, 2, 3, 4, 0; not 20, 20, 0; 10, 10, 1')
  assert.equal(withoutMark(text, [20, 21], 0, 3), 'box 1, 2, 3, 4, 0; 10, 10, 0; 10, 10, 1')
  assert.equal(withoutMark(text, [2, 3], 0, 3), null)
})
