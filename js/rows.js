// Regions: a table of things, each with what it is, what it becomes and its marks, over the clip to mark them on.

import { app } from '../../scripts/app.js'
import { carried, fileIn } from './carried_marks.js'
import { asked } from './clip_preview.js'
import { demoDraws, showsMore } from './demo_graph.js'
import { draws } from './demo_words.js'
import { linkTo } from './graph.js'
import { readMarks } from './marks.js'
import { element, isLinked, Panel, say, setValue } from './panel.js'
import { changed, colourOf, isBlank, problems, readRows, withoutRow, withRow, writeRows } from './row_list.js'
import { RowMarker } from './row_marker.js'
import { RowSource } from './row_source.js'
import { percent } from './words.js'

const WIDTH = 340 // pixels that a new node has at least

const SAID = { // of each problem of a row
  nameless: () => say('row_lacks_is'),
  'not in scene': (values) => say('row_lacks_scene', values),
  strange: (values) => say('row_strange', values),
  unmarked: () => say('row_lacks_mark'),
  moved: () => say('row_moved'),
  twin: (values) => say('row_twin', values),
  same: (values) => say('rows_same', values),
}
let tables = 0

export class RowTable {
  static kind = 'rows'
  static label = 'things'
  height = 460

  constructor(node) {
    this.node = node
    this.name = `videograin-row-${++tables}` // of its problems, for readers of the screen
    this.chosen = 0
    this.rows = readRows(this.widget.value)
    this.list = element('ol', { className: 'things', 'aria-label': say('things') })
    this.add = element('button', { type: 'button', textContent: say('row_add') })
    this.advice = element('span', { className: 'advice', role: 'status' })
    this.source = new RowSource(node, this)
    this.marker = new RowMarker(node, this)
    this.marker.element.classList.add('marker')
    const bar = element('div', { className: 'bar adding' }, this.add, this.advice)
    this.element = element('div', {}, this.list, bar, this.source.element, this.marker.element)
    this.add.addEventListener('click', () => this.append())
    this.follow()
    this.render()
  }

  get widget() {
    return this.node.widgets.find(({ name }) => name === 'rows')
  }

  get scene() {
    return this.node.widgets.find(({ name }) => name === 'scene')
  }

  /** The text has its place in the table: hidden, for both renderers. Reads it again when it is changed by others. */
  follow() {
    const { node, widget } = this
    const { callback } = widget
    widget.hidden = true
    Object.assign((widget.options ??= {}), { hidden: true })
    widget.callback = (...all) => {
      callback?.apply(widget, all)
      this.reread()
    }
    const { scene } = this
    const toldScene = scene.callback
    scene.callback = (...all) => {
      toldScene?.apply(scene, all)
      this.update()
    }
    const { onConfigure } = node
    node.onConfigure = (...all) => {
      onConfigure?.apply(node, all)
      this.reread()
      this.update()
    }
  }

  reread() {
    if (this.widget.value === writeRows(this.rows)) return
    this.rows = readRows(this.widget.value)
    this.render()
  }

  /** data: as the node's `_view` makes it. memory: what outlives the node's being made anew. */
  show(data, memory) {
    this.arrange()
    this.source.ran(data, memory)
  }

  display(data, memory) {
    Object.assign(this, { data, memory })
    this.arrange()
    this.marker.show({ ...data }, memory)
    this.choose(memory.row ?? this.chosen)
  }

  conceal() {
    this.data = null
    this.arrange()
  }

  arrange() {
    this.source.element.hidden = Boolean(this.data)
    this.marker.element.hidden = !this.data
  }

  /** Another connection: a row has its mask from there now, or its own marks again; or another clip comes in. */
  linked(_type, slot) {
    this.update()
    if (this.node.inputs[slot]?.name !== 'frames') return
    this.clipChosen()
    this.source.connected()
  }

  graphChanged() {
    this.source.refresh()
    this.update()
  }

  /** Another file, or cut of it: marks belong to the frames that they were set on. One step for undo, with what brought it. */
  clipChosen() {
    const [before, now] = [this.source.cut, asked(this.node)]
    if (!before || !now || before === now) return
    this.source.cut = now
    app.canvas.emitBeforeChange() // Nodes 2.0 tells of no link that is drawn
    this.rows = this.rows.map((row) => carried(row, before, now))
    this.widget.value = writeRows(this.rows)
    if (fileIn(before) !== fileIn(now) && !isLinked(this.node, 'scene')) this.scene.value = '' // of the other clip too
    app.canvas.emitAfterChange()
    this.update()
    this.source.refresh()
  }

  isMasked(row) {
    return this.node.isInputConnected(this.socket(row))
  }

  socket(row) {
    return this.node.inputs.findIndex(({ name }) => name === `mask_${row + 1}`)
  }

  // ---- changes -----------------------------------------------------------------------------------------------------

  /** Some fields of the chosen row, as one step for undo. */
  change(fields) {
    this.write(changed(this.rows, this.chosen, fields))
    this.update()
  }

  write(rows) {
    this.rows = rows
    setValue(this.node, this.widget, writeRows(rows))
  }

  /** What is typed counts at once, so that a run has it; for undo it is one step when the field is left. */
  type(row, fields) {
    this.rows = changed(this.rows, row, fields)
    this.widget.value = writeRows(this.rows)
    this.update()
  }

  append() {
    this.write(withRow(this.rows))
    this.render()
    this.choose(this.rows.length - 1)
    this.list.lastElementChild.querySelector('input').focus()
  }

  remove(row) {
    app.canvas.emitBeforeChange()
    const rows = this.moveMasks(row) ? withoutRow(this.rows, row) : changed(this.rows, row, { is: '', becomes: '', marks: '' })
    this.write(rows)
    app.canvas.emitAfterChange()
    this.render()
    this.choose(Math.min(row, this.rows.length - 1))
    this.list.children[this.chosen].querySelector('input').focus()
  }

  /** Takes a row's mask off and moves those of later rows up; false, and none moved, where one comes from no node here. */
  moveMasks(row) {
    const { node } = this
    const found = node.inputs.flatMap(({ name }, slot) => (/^mask_\d$/.test(name) && slot >= this.socket(row) ? [slot] : []))
    if (this.socket(row) < 0) return true
    const links = found.map((slot) => linkTo(node.graph, node.id, slot))
    const origins = links.map((link) => (link ? node.graph.getNodeById(link.origin_id) : null))
    if (links.some((link, index) => link && !origins[index])) return false
    const outputs = links.map((link) => link?.origin_slot)
    found.forEach((slot, index) => { if (links[index]) node.disconnectInput(slot) })
    origins.forEach((origin, index) => { if (origin && index) origin.connect(outputs[index], node, found[index - 1]) })
    return true
  }

  // ---- what is shown -----------------------------------------------------------------------------------------------

  render() {
    this.list.replaceChildren(...this.rows.map((entry, row) => this.line(entry, row)))
    this.choose(Math.min(this.chosen, this.rows.length - 1))
  }

  line({ is, becomes }, row) {
    const place = { row: row + 1 }
    const swatch = element('span', { className: 'swatch' })
    swatch.style.background = colourOf(row)
    const words = (name, value, placeholder, label) => {
      const field = element('input', { type: 'text', value, placeholder, title: label, 'aria-label': label, autocomplete: 'off' })
      field.addEventListener('input', () => this.type(row, { [name]: field.value }))
      field.addEventListener('change', () => this.write(this.rows))
      field.addEventListener('pointerdown', (event) => event.stopPropagation()) // selects text, moves no node
      return field
    }
    const mark = element('button', { type: 'button', className: 'mark', title: say('row_mark_hint', place) })
    mark.addEventListener('click', () => {
      this.choose(row)
      if (this.data) this.marker.canvas.focus()
    })
    const gone = say('row_remove', place)
    const remove = element('button', { type: 'button', textContent: '×', title: gone, 'aria-label': gone })
    remove.addEventListener('click', () => this.remove(row))
    const fields = [
      words('is', is, say('row_is_example'), say('row_is', place)),
      words('becomes', becomes, say('row_becomes_example'), say('row_becomes', place)),
    ]
    const problem = element('p', { className: 'problem', id: `${this.name}-${row}`, role: 'status' })
    for (const field of fields) field.setAttribute('aria-describedby', problem.id)
    const line = element('li', {}, swatch, ...fields, mark, remove, problem)
    line.addEventListener('focusin', () => this.choose(row))
    return line
  }

  /** The row whose marks are in the picture. */
  choose(row) {
    this.chosen = Math.max(0, Math.min(row, this.rows.length - 1))
    if (this.memory) this.memory.row = this.chosen
    this.update()
  }

  update() {
    const masked = this.rows.map((_, row) => this.isMasked(row))
    const demo = demoDraws()
    const scene = isLinked(this.node, 'scene') ? null : String(this.scene?.value ?? '')
    const found = problems(this.rows, masked, scene, demo ? draws : undefined)
    for (const [row, line] of [...this.list.children].entries()) {
      const mark = line.querySelector('.mark')
      const marks = readMarks(this.rows[row]?.marks ?? '').length
      const said = [...(found[row] ?? []), ...this.doubles(row)]
      line.querySelector('.problem').textContent = said.map((problem) => SAID[problem.what](problem)).join(' ')
      line.querySelector('input').setAttribute('aria-invalid', String(said.some(({ what }) => what !== 'unmarked')))
      mark.setAttribute('aria-pressed', String(row === this.chosen))
      mark.textContent = masked[row] ? say('row_masked') : marks ? say('row_marked', { marks }) : say('row_mark')
    }
    const blank = this.rows.every(isBlank) && !masked.includes(true)
    this.advice.textContent = demo && showsMore(this.node) ? say('demo_only') : blank ? say('rows_blank') : ''
    if (!this.data) return
    this.marker.data.marks = this.data.marks[this.chosen] ?? ''
    this.marker.redraw()
  }

  /** What the last run found of a row's mask, while its marks are as they were then. */
  doubles(row) {
    const ran = this.data && String(this.rows.map(({ marks }) => marks)) === String(this.data.marks)
    const pairs = ran ? this.data.doubles.flatMap(([one, other, share]) => [[one, other, share], [other, one, share]]) : []
    return pairs.filter(([one]) => one === row + 1).map(([, other, share]) => ({ what: 'same', other, share: percent(share) }))
  }
}

/** The table is there from the start; other views wait for a run. */
export class RowPanel extends Panel {
  constructor(node, table) {
    super(node, table)
    node.setSize([Math.max(node.size[0], WIDTH), node.size[1]])
    table.element.classList.remove('waiting')
    for (const part of table.element.children) part.hidden = false
    table.arrange()
    table.element.style.minHeight = `${table.height}px`
  }
}
