// A shipped workflow's texts in another language. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { LANGUAGES, SLOTS, TEXTS } from '../../js/template_words.js'
import { translate } from '../../js/translate.js'

const [SHIPPED, PAGES] = ['workflows', 'docs/graphs'].map((name) => new URL(`../../${name}/`, import.meta.url))
const namesIn = (folder) => readdirSync(folder).filter((name) => name.endsWith('.json'))
const read = (folder, name) => JSON.parse(readFileSync(new URL(encodeURIComponent(name), folder), 'utf8'))
const isNote = ({ type }) => ['MarkdownNote', 'Note'].includes(type)
const same = ['clip', 'vae', 'cfg'] // slots that read the same in every language

const subgraphsOf = (workflow) => workflow.definitions?.subgraphs ?? []
const partsOf = (workflow, part) => [workflow, ...subgraphsOf(workflow)].flatMap((graph) => graph[part] ?? [])
const promptsOf = (workflow) => partsOf(workflow, 'nodes').filter((node) => !isNote(node)).map((node) => node.widgets_values)

function textsOf(workflow) {
  const [nodes, groups] = ['nodes', 'groups'].map((part) => partsOf(workflow, part))
  const titles = [...nodes, ...groups].map(({ title }) => title).filter((title) => title !== undefined)
  const named = subgraphsOf(workflow).flatMap(({ name, description }) => [name, description])
  return [...titles, ...named, ...nodes.filter(isNote).map(({ widgets_values: [text] }) => text)]
}

/** The inputs and outputs of subgraphs, and of the nodes that stand for them. */
function slotsOf(workflow) {
  const ids = subgraphsOf(workflow).map(({ id }) => id)
  const holders = [...subgraphsOf(workflow), ...partsOf(workflow, 'nodes').filter(({ type }) => ids.includes(type))]
  return holders.flatMap(({ inputs, outputs }) => [...inputs, ...outputs])
}

for (const name of namesIn(SHIPPED)) {
  test(`${name} is translated whole`, () => {
    for (const language of LANGUAGES) {
      const opened = read(SHIPPED, name)
      translate(opened, language)
      const labels = slotsOf(opened).filter((slot) => !same.includes(slot.name)).map((slot) => slot.label ?? slot.name)
      for (const text of [...textsOf(opened), ...labels]) assert.match(text, /[\u3040-\u30ff\u4e00-\u9fff]/)
      assert.deepEqual(promptsOf(opened), promptsOf(read(SHIPPED, name)))
    }
  })
}

test('no text is left that no workflow has', () => {
  const workflows = [SHIPPED, PAGES].flatMap((folder) => namesIn(folder).map((name) => read(folder, name)))
  const [texts, slots] = [workflows.flatMap(textsOf), workflows.flatMap(slotsOf).map(({ name }) => name)]
  assert.deepEqual(Object.keys(TEXTS).filter((text) => !texts.includes(text)), [])
  assert.deepEqual(Object.keys(SLOTS).filter((name) => !slots.includes(name)), [])
})

test('a translation has the numbers, the headings and the bold words of the English', () => {
  const marks = (text) => ['#', '**', '\n\n'].map((mark) => text.split(mark).length - 1)
  const numbers = (text) => (text.match(/\d+(?:\.\d+)?/g) ?? []).sort()
  for (const [english, translations] of Object.entries({ ...TEXTS, ...SLOTS })) {
    assert.equal(translations.length, LANGUAGES.length, english)
    for (const text of translations) {
      assert.deepEqual(marks(text), marks(english), english)
      for (const number of numbers(english)) assert.ok(numbers(text).includes(number), `${english}: ${number}`)
    }
  }
})

const NOTE = Object.keys(TEXTS).find((text) => text.startsWith('## '))
const [ZH] = TEXTS[NOTE]
const workflow = (note) => ({
  groups: [{ title: '1 Clip' }, { title: 'My own group' }],
  nodes: [
    { type: 'MarkdownNote', title: 'Note', widgets_values: [note], widgets_values_named: { text: note } },
    { type: 'CLIPTextEncode', title: 'constructor', widgets_values: ['Source prompt'] },
  ],
  definitions: { subgraphs: [{ groups: [{ title: '1 Clip' }], nodes: [{ type: 'Note', title: 'mine', widgets_values: ['mine'] }] }] },
})

test("the recipe's node has its name and its slots translated, another's node stays", () => {
  const ours = { id: 'a', name: 'Edit regions of a video', inputs: [{ name: 'clip' }, { name: 'seed' }, { name: 'steps', label: 'mine' }] }
  const other = { id: 'b', name: 'My own', inputs: [{ name: 'seed' }] }
  const instances = [{ type: 'a', inputs: [{ name: 'seed' }] }, { type: 'b', inputs: [{ name: 'seed' }] }]
  const opened = structuredClone({ nodes: [...workflow(NOTE).nodes, ...instances], definitions: { subgraphs: [ours, other] } })
  translate(opened, 'zh')
  const seed = { name: 'seed', label: SLOTS.seed[0] }
  const changed = { ...ours, name: TEXTS[ours.name][0], inputs: [{ name: 'clip' }, seed, ours.inputs[2]] }
  assert.deepEqual(opened.definitions.subgraphs, [changed, other])
  assert.deepEqual(opened.nodes.slice(-2), [{ type: 'a', inputs: [seed] }, instances[1]])
})

test('titles and notes are translated, in subgraphs too; prompts and what the user wrote stay', () => {
  const opened = workflow(NOTE)
  translate(opened, 'zh-CN')
  assert.deepEqual(opened.groups, [{ title: TEXTS['1 Clip'][0] }, { title: 'My own group' }])
  const note = { type: 'MarkdownNote', title: TEXTS.Note[0], widgets_values: [ZH], widgets_values_named: { text: ZH } }
  assert.deepEqual(opened.nodes, [note, workflow(NOTE).nodes[1]])
  const [{ groups, nodes }] = opened.definitions.subgraphs
  assert.deepEqual(groups, [{ title: TEXTS['1 Clip'][0] }])
  assert.deepEqual(nodes, workflow(NOTE).definitions.subgraphs[0].nodes)
})

test('a short note that ours has too is no sign of our workflow', () => {
  const opened = workflow('Note')
  translate(opened, 'zh')
  assert.deepEqual(opened, workflow('Note'))
})

test("another's workflow stays as it is, and ours where the language is another", () => {
  for (const [note, locale] of [['My note.', 'zh'], [NOTE, 'fr'], [NOTE, 'en'], [NOTE, undefined]]) {
    const opened = workflow(note)
    translate(opened, locale)
    assert.deepEqual(opened, workflow(note))
  }
  translate({}, 'zh')
})
