// The picker's text and parts, without a page. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Labels, read, split, toggle, togglePart, unpack } from '../../js/choice.js'

const NAMES = ['grass', '', 'cat']

test('parts are split at commas outside parentheses', () => {
  assert.deepEqual(split(' 0, cat@(1, 2, 3),, 2 '), ['0', 'cat@(1, 2, 3)', '2'])
  assert.deepEqual(split(''), [])
})

test('a part is read as a number or a name, with or without a place', () => {
  assert.deepEqual(read('1', NAMES), { cluster: 1, place: null })
  assert.deepEqual(read('cat @ ( 4,5, 6)', NAMES), { cluster: 2, place: [4, 5, 6] })
  for (const wrong of ['3', 'dog', '', '@(1,2,3)', '1@', '1@(2,3)', '1@(2,3,-4)', '-1', '1@@(1,2,3)']) assert.equal(read(wrong, NAMES), null, wrong)
})

test('a click adds a cluster, a second click removes it, by whatever name it was called', () => {
  assert.equal(toggle('0', NAMES, 2), '0, 2')
  assert.equal(toggle('0, 2', NAMES, 2), '0')
  assert.equal(toggle('cat, 0', NAMES, 2), '0')
  assert.equal(toggle('0', NAMES, 0), '')
  assert.equal(toggle('', NAMES, 1), '1')
})

test('a click on a cluster of which parts were chosen takes all of it', () => {
  assert.equal(toggle('0, cat@(1,2,3), 2@(4,5,6)', NAMES, 2), '0, 2')
})

test('what the picker does not understand stays as it was written', () => {
  assert.equal(toggle('0, dog, 9', NAMES, 1), '0, dog, 9, 1')
})

test('a shift-click takes a part, one more, and gives one back', () => {
  const never = () => false
  assert.equal(togglePart('0, 2', NAMES, 2, [4, 5, 6], never), '0, 2@(4, 5, 6)')
  assert.equal(togglePart('2@(1, 1, 0)', NAMES, 2, [4, 5, 6], never), '2@(1, 1, 0), 2@(4, 5, 6)')
  assert.equal(togglePart('2@(1, 1, 0), 2@(9, 9, 0)', NAMES, 2, [4, 5, 6], ([x]) => x === 9), '2@(1, 1, 0)')
})

test('labels arrive as they were sent', async () => {
  const bytes = Buffer.from('eJxjZGBkZGJiAgAAIwAK', 'base64') // zlib of 1 0 1 1 2 2 2
  const labels = await unpack(bytes.toString('base64'), [1, 1, 7], [7, 1])
  assert.deepEqual([...labels.labels], [1, 0, 1, 1, 2, 2, 2])
  assert.equal(labels.shares()[2], 3 / 7)
  assert.equal(labels.shares(0)[1], 3 / 7)
})

test('a token has a pixel in its middle, and that pixel leads back to it', () => {
  const labels = new Labels(new Uint8Array(2 * 15), [2, 3, 5], [64, 48])
  for (let token = 0; token < 15; token += 1) assert.equal(labels.token(...labels.pixel(token)), token)
  assert.deepEqual(labels.pixel(0), [6, 8])
})

test('the number of a cluster stands on the cluster, even on one with a hole', () => {
  const ring = new Labels(Uint8Array.from([1, 1, 1, 1, 0, 1, 1, 1, 1]), [1, 3, 3], [3, 3])
  assert.equal(ring.at(0, ring.middle(1, 0)), 1)
  assert.equal(ring.middle(7, 0), -1)
})
