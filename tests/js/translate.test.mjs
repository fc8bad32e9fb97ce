// A shipped workflow's texts in another language. Run by tests/unit/test_javascript.py, or: node --test tests/js

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { LANGUAGES, TEXTS } from '../../js/template_words.js'
import { translate } from '../../js/translate.js'

const TRANSLATED = ['instance_edit.json'] // whose every text is there
const FOLDER = new URL('../../workflows/', import.meta.url)
const read = (name) => JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8'))
const isNote = ({ type }) => ['MarkdownNote', 'Note'].includes(type)

function textsOf(workflow) {
  const graphs = [workflow, ...(workflow.definitions?.subgraphs ?? [])]
  const [nodes, groups] = ['nodes', 'groups'].map((part) => graphs.flatMap((graph) => graph[part] ?? []))
  const titles = [...nodes, ...groups].map(({ title }) => title).filter((title) => title !== undefined)
  return [...titles, ...nodes.filter(isNote).map(({ widgets_values: [text] }) => text)]
}

for (const name of TRANSLATED) {
  test(`${name} is translated whole`, () => {
    for (const language of LANGUAGES) {
      const opened = read(name)
      translate(opened, language)
      for (const text of textsOf(opened)) assert.match(text, /[\u3040-\u30ff\u4e00-\u9fff]/)
      const prompts = ({ nodes }) => nodes.filter((node) => !isNote(node)).map((node) => node.widgets_values)
      assert.deepEqual(prompts(opened), prompts(read(name)))
    }
  })
}

test('no text is left that no workflow has', () => {
  const shipped = readdirSync(FOLDER).filter((name) => name.endsWith('.json')).flatMap((name) => textsOf(read(name)))
  assert.deepEqual(Object.keys(TEXTS).filter((text) => !shipped.includes(text)), [])
})

test('a translation has the numbers, the headings and the bold words of the English', () => {
  const marks = (text) => ['#', '**', '\n\n'].map((mark) => text.split(mark).length - 1)
  const numbers = (text) => (text.match(/\d+(?:\.\d+)?/g) ?? []).sort()
  for (const [english, translations] of Object.entries(TEXTS)) {
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

test("another's workflow stays as it is, and ours where the language is another", () => {
  for (const [note, locale] of [['My note.', 'zh'], [NOTE, 'fr'], [NOTE, 'en'], [NOTE, undefined]]) {
    const opened = workflow(note)
    translate(opened, locale)
    assert.deepEqual(opened, workflow(note))
  }
  translate({}, 'zh')
})
