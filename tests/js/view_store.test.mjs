import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptPicture, outgoing, recalled } from '../../js/view_store.js'

const view = (node, bytes, at) => ({ key: ['workflow', node], bytes, at })
const nodes = (views) => views.map(({ key }) => key[1])

test('a view goes when its node shows another, whatever the room', () => {
  assert.deepEqual(nodes(outgoing([view('1', 10, 1), view('2', 10, 2)], ['workflow', '1'], 1000)), ['1'])
})

test('the oldest go first when there is no room', () => {
  const all = [view('1', 40, 3), view('2', 40, 1), view('3', 40, 2)]
  assert.deepEqual(nodes(outgoing(all, ['workflow', '4'], 120)), [])
  assert.deepEqual(nodes(outgoing(all, ['workflow', '4'], 119)), ['2'])
  assert.deepEqual(nodes(outgoing(all, ['workflow', '4'], 40)), ['2', '3'])
  assert.deepEqual(nodes(outgoing(all, ['workflow', '1'], 40)), ['1', '2'])
})

test('the same number in another workflow is another node', () => {
  assert.deepEqual(outgoing([view('1', 10, 1)], ['other', '1'], 10), [])
})

test('where there is no database, nothing is kept and nothing fails', async () => {
  assert.equal(await recalled(['workflow', '1']), undefined)
  assert.equal(await keptPicture('picture.jpg'), undefined)
})
