// Marks on another cut of a clip, without a page. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { carried } from '../../js/carried_marks.js'

const cut = ({ file = 'a.mp4', start = 0, size = 'exact', sides = [512, 256] } = {}) => JSON.stringify([file, start, 0, 0, size, ...sides, 'black'])
const row = (marks) => ({ is: 'a wolf', becomes: '', marks })
const MARKS = '511, 0, 3; box 10, 20, 101, 121, 0; brush 4, 4, 8, 8, 6, 0'

test('in another size marks of all kinds scale, and stay inside', () => {
  const half = row('255, 0, 3; box 5, 10, 50, 60, 0; brush 2, 2, 4, 4, 3, 0')
  assert.deepEqual(carried(row(MARKS), cut(), cut({ sides: [256, 128] })), half)
  assert.deepEqual(carried(row('0, 0, 0; 255, 127, 0'), cut({ sides: [256, 128] }), cut()).marks, '1, 1, 0; 511, 255, 0')
  assert.ok(!('cut' in carried(row(MARKS), cut({ sides: [832, 480] }), cut({ sides: [640, 368] })))) // as near as steps of 8 come
})

test('another crop or time leaves the marks, until the first is there again', () => {
  for (const other of [{ sides: [256, 256] }, { start: 1 }, { size: 'keep' }]) {
    const kept = carried(row(MARKS), cut(), cut(other))
    assert.deepEqual(kept, { ...row(MARKS), cut: cut() })
    assert.deepEqual(carried(kept, cut(other), cut()), row(MARKS))
  }
})

test('another file empties them, and unmarked rows are as they were', () => {
  assert.deepEqual(carried(row(MARKS), cut(), cut({ file: 'b.mp4' })), row(''))
  assert.deepEqual(carried({ ...row(MARKS), cut: cut() }, cut({ start: 1 }), cut({ file: 'b.mp4' })), row(''))
  assert.deepEqual(carried(row(''), cut(), cut({ start: 1 })), row(''))
  assert.deepEqual(carried(row(MARKS), cut({ size: 'keep' }), cut({ size: 'keep', sides: [64, 64] })), row(MARKS)) // not in use
})
