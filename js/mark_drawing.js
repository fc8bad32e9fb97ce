// Marks and pointers drawn on a picture; zoom: canvas pixels for one of the clip's.

import { element } from './panel.js'

const COLOURS = { '': '#56b4e9', not: '#e69f00', box: '#ffffff' } // told apart by colour-blind readers; shapes differ too
const PAINT = 0.5 // opacity

export function drawMark(context, { kind, place }, zoom) {
  const line = Math.max(2, context.canvas.width / 250)
  context.beginPath()
  if (kind === 'box') {
    const [left, top, right, bottom] = place.map((edge) => edge * zoom)
    context.rect(left, top, right - left, bottom - top)
  } else {
    const [x, y] = place.map((edge) => (edge + 0.5) * zoom)
    const radius = 4 * line
    if (kind === 'not') {
      context.moveTo(x - radius, y - radius); context.lineTo(x + radius, y + radius)
      context.moveTo(x - radius, y + radius); context.lineTo(x + radius, y - radius)
    } else context.arc(x, y, radius, 0, 2 * Math.PI)
  }
  for (const [colour, width] of [['black', 2 * line], [COLOURS[kind], line]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width })
    context.stroke()
  }
}

export function drawCross(context, place, zoom) {
  const [x, y] = place.map((edge) => (edge + 0.5) * zoom)
  const arm = context.canvas.width / 40
  context.beginPath()
  context.moveTo(x - arm, y); context.lineTo(x + arm, y)
  context.moveTo(x, y - arm); context.lineTo(x, y + arm)
  for (const [colour, width] of [['black', 3], ['white', 1]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width })
    context.stroke()
  }
}

/** The brush under the pointer. */
export function drawBrush(context, [x, y], radius, zoom) {
  context.beginPath()
  context.arc((x + 0.5) * zoom, (y + 0.5) * zoom, (radius + 0.5) * zoom, 0, 2 * Math.PI)
  for (const [colour, width] of [['black', 3], ['white', 1]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width })
    context.stroke()
  }
}

/** One frame's strokes as the paint that they leave, and where something was erased a thin line. */
export function drawStrokes(context, strokes, zoom, colour = COLOURS['']) {
  if (!strokes.length) return
  const layer = element('canvas', { width: context.canvas.width, height: context.canvas.height })
  const paint = layer.getContext('2d')
  Object.assign(paint, { lineCap: 'round', lineJoin: 'round', strokeStyle: colour })
  for (const { kind, place, radius } of strokes) {
    paint.globalCompositeOperation = kind === 'brush' ? 'source-over' : 'destination-out'
    paint.lineWidth = (2 * radius + 1) * zoom
    paint.stroke(lineThrough(place, zoom))
  }
  context.globalAlpha = PAINT
  context.drawImage(layer, 0, 0)
  context.globalAlpha = 1
  Object.assign(context, { strokeStyle: COLOURS.not, lineWidth: Math.max(1, context.canvas.width / 500) })
  context.setLineDash([4, 4])
  for (const { kind, place } of strokes) if (kind === 'erase') context.stroke(lineThrough(place, zoom))
  context.setLineDash([])
}

function lineThrough(place, zoom) {
  const path = new globalThis.Path2D()
  const at = place.map((edge) => (edge + 0.5) * zoom)
  path.moveTo(at[0], at[1])
  for (let next = 2; next < at.length; next += 2) path.lineTo(at[next], at[next + 1])
  if (at.length === 2) path.lineTo(at[0], at[1])
  return path
}
