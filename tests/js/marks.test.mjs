// The marks' text, without a page. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { overlap, readMarks, thinned, vainMarks, withMark, withoutBoxes, withoutLast, withoutMark } from '../../js/marks.js'

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

test('what is no mark of the clip is told', () => {
  const text = '19, 9, 3; garbage; 20, 1, 0; box 1, 2, 3, 10, 0; not 1, 2, 4; 1, 2; ３, 1, 0; box 0, 0, 19, 9, 0'
  assert.deepEqual(vainMarks(text, [20, 10], 4), ['garbage', '20, 1, 0', 'box 1, 2, 3, 10, 0', 'not 1, 2, 4', '1, 2', '３, 1, 0'])
  assert.deepEqual(vainMarks('', [20, 10], 4), [])
})

test('the last mark of a frame is removed, and nothing else', () => {
  assert.equal(withoutLast('1, 1, 0; 2, 2, 1; box 1, 1, 2, 2, 0; 3, 3, 1', 0), '1, 1, 0; 2, 2, 1; 3, 3, 1')
  assert.equal(withoutLast('1, 1, 0; nonsense', 5), '1, 1, 0; nonsense')
})

test('strokes are read with their radius', () => {
  const marks = readMarks('brush 10, 20, 30, 40, 7, 2; erase 5, 6, 3, 0; brush 1, 2, 3; brush 1, 2, 3, 4, 5')
  assert.deepEqual(marks.map(({ kind, place, radius, frame }) => [kind, place, radius, frame]), [
    ['brush', [10, 20, 30, 40], 7, 2], ['erase', [5, 6], 3, 0],
  ])
  assert.deepEqual(vainMarks('brush 1, 1, 20, 0; brush 1, 1, 0, 0; erase 1, 1, 21, 0; brush 1, 10, 2, 0', [20, 10], 4), [
    'brush 1, 1, 0, 0', 'erase 1, 1, 21, 0', 'brush 1, 10, 2, 0',
  ])
})

test('a new box stands for the frame\'s old ones, and points stay', () => {
  assert.equal(withoutBoxes('box 1, 2, 3, 4, 0; 3, 3, 0; box 5, 5, 6, 6, 1; nonsense', 0), '3, 3, 0; box 5, 5, 6, 6, 1; nonsense')
})

test('the overlap of boxes is that of their pixels, from whichever corner they were drawn', () => {
  assert.equal(overlap([0, 0, 9, 9], [9, 9, 0, 0]), 1)
  assert.equal(overlap([0, 0, 9, 9], [5, 0, 14, 9]), 50 / 150)
  assert.equal(overlap([0, 0, 9, 9], [20, 0, 29, 9]), 0)
})

test('a painted line keeps its corners and its ends', () => {
  const along = Array.from({ length: 21 }, (_, at) => [at, 0])
  const down = Array.from({ length: 20 }, (_, at) => [20, at + 1])
  assert.deepEqual(thinned([...along, ...down], 1), [[0, 0], [20, 0], [20, 20]])
  assert.deepEqual(thinned([[3, 4]], 1), [[3, 4]])
  assert.deepEqual(thinned([[0, 0], [30, 0], [0, 0]], 2), [[0, 0], [30, 0], [0, 0]]) // there and back
})
