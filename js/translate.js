// Gives a shipped workflow's texts in another language: its groups' titles, its nodes' given titles, its notes, and the node that
// holds the recipe. A subgraph's name and slots are what the frontend itself leaves in English. Nothing here touches the page.

import { LANGUAGES, SLOTS, TEXTS } from './template_words.js'

const isNote = ({ type }) => ['MarkdownNote', 'Note'].includes(type)
const isKnown = (text) => Object.hasOwn(TEXTS, text)
const isOurNote = (text) => isKnown(text) && text.includes('\n') // a short text may be anybody's

const subgraphsOf = (workflow) => workflow.definitions?.subgraphs ?? []
/** The graph and the graphs inside its subgraphs, as saved. */
const graphsOf = (workflow) => [workflow, ...subgraphsOf(workflow)]
const valuesOf = (node) => [node.widgets_values, node.widgets_values_named].filter(Boolean) // newer frontends name them too
const slotsOf = ({ inputs, outputs }) => [...(inputs ?? []), ...(outputs ?? [])]

/**
 * Changes a saved workflow's texts to the language of a locale such as “zh” or “ja-JP”. Only of a workflow that still has a note
 * of ours in English: in another's, “1 Clip” may be a title that its author chose. Prompts and all other values stay.
 */
export function translate(workflow, locale) {
  const language = LANGUAGES.indexOf(String(locale).split('-')[0])
  const nodes = graphsOf(workflow).flatMap((graph) => graph.nodes ?? [])
  const groups = graphsOf(workflow).flatMap((graph) => graph.groups ?? [])
  const notes = nodes.filter(isNote).flatMap(valuesOf)
  if (language < 0 || !notes.some((values) => Object.values(values).some(isOurNote))) return
  const change = (owner, key) => {
    if (isKnown(owner[key])) owner[key] = TEXTS[owner[key]][language]
  }
  for (const subgraph of subgraphsOf(workflow).filter(({ name }) => isKnown(name))) {
    const slots = [subgraph, ...nodes.filter(({ type }) => type === subgraph.id)].flatMap(slotsOf)
    for (const slot of slots.filter(({ name }) => Object.hasOwn(SLOTS, name))) slot.label ??= SLOTS[slot.name][language]
    for (const key of ['name', 'description']) change(subgraph, key)
  }
  for (const titled of [...nodes, ...groups]) change(titled, 'title')
  for (const values of notes) Object.keys(values).forEach((key) => change(values, key))
}
