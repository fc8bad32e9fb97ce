// The picture of Regions: Points to Region's, for the marks of the chosen row.

import { drawStrokes } from './mark_drawing.js'
import { MarkPicker } from './mark_picker.js'
import { isStroke, readMarks, withMark, withoutBoxes } from './marks.js'
import { say } from './panel.js'
import { colourOf } from './row_list.js'

export class RowMarker extends MarkPicker {
  constructor(node, table) {
    super(node)
    this.table = table
  }

  follow() {} // the table does

  get isLinked() {
    return this.table.isMasked(this.table.chosen)
  }

  get text() {
    return this.table.rows[this.table.chosen].marks
  }

  choose(marks) {
    if (!this.isLinked) this.table.change({ marks, cut: undefined })
  }

  /** A row is one thing: a new box stands for the one that the frame had. */
  mark(kind, place) {
    const { text, memory: { frame } } = this
    this.choose(withMark(kind === 'box' ? withoutBoxes(text, frame) : text, kind, place, frame))
  }

  /** With the marks of the other rows, thin and in their colours. */
  redraw() {
    super.redraw()
    if (!this.data) return
    const context = this.canvas.getContext('2d')
    for (const [row, { marks }] of this.table.rows.entries()) {
      const here = row === this.table.chosen ? [] : readMarks(marks).filter(({ frame }) => frame === this.memory.frame)
      drawStrokes(context, here.filter(({ kind }) => isStroke(kind)), this.zoom, colourOf(row))
      for (const { kind, place } of here) {
        if (!isStroke(kind)) outline(context, kind, place.map((at) => at * this.zoom), colourOf(row))
      }
    }
  }

  tell(marks) {
    super.tell(marks)
    if (this.isLinked) this.status.textContent = say('row_mask', { row: this.table.chosen + 1 })
  }
}

function outline(context, kind, [left, top, right, bottom], colour) {
  context.beginPath()
  if (kind === 'box') context.rect(left, top, right - left, bottom - top)
  else context.arc(left, top, context.canvas.width / 80, 0, 2 * Math.PI)
  Object.assign(context, { strokeStyle: colour, lineWidth: Math.max(2, context.canvas.width / 300) })
  context.setLineDash(kind === 'not' ? [4, 4] : [])
  context.stroke()
  context.setLineDash([])
}
