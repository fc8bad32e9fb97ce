// One frame of the cluster picker: the clip below, clusters in colour above it, numbers, and lines around what is chosen.

const HATCHES = [null, [1, 1], [1, -1], [1, 0], [0, 1]] // directions; a palette has seven colours, then hatches tell apart
const ROUND = 7

/** All but what follows the pointer. state: {labels, frame, colours, picture, chosen, middles}. */
export function draw(canvas, state) {
  const { labels, picture, chosen } = state
  const context = canvas.getContext('2d')
  const ready = picture?.complete && picture.naturalWidth > 0
  context.clearRect(0, 0, canvas.width, canvas.height)
  if (ready) greyPicture(context, picture)
  context.imageSmoothingEnabled = false
  context.drawImage(coloured(state, ready), 0, 0, canvas.width, canvas.height)
  hatch(context, state, cell(canvas, labels))
  outline(context, labels, (each) => chosen[each], cell(canvas, labels), line(canvas))
  numbers(context, state, cell(canvas, labels))
}

/** Copies the base and marks a token and its cluster, or the part under: {labels, frame, token, cluster, under}. */
export function point(canvas, base, { labels, frame, token, cluster, under }) {
  const context = canvas.getContext('2d')
  context.clearRect(0, 0, canvas.width, canvas.height)
  context.drawImage(base, 0, 0)
  if (token === null) return
  const all = labels.frame(frame)
  context.setLineDash([3 * line(canvas), 2 * line(canvas)])
  outline(context, labels, under ? (each) => under[each] : (each) => all[each] === cluster, cell(canvas, labels), line(canvas) / 2)
  context.setLineDash([])
  frameToken(context, labels, token, cell(canvas, labels), line(canvas) / 2)
}

const cell = (canvas, labels) => [canvas.width / labels.width, canvas.height / labels.height]
const line = (canvas) => Math.max(2, canvas.width / 250)

/** Without colours of its own, so that those of the clusters can be told apart on it. */
function greyPicture(context, picture) {
  const whole = [0, 0, context.canvas.width, context.canvas.height]
  context.drawImage(picture, ...whole)
  context.globalCompositeOperation = 'saturation'
  context.fillStyle = 'grey'
  context.fillRect(...whole)
  context.globalCompositeOperation = 'source-over'
}

/** A pixel for each token: strong colour where chosen or without a picture, faint elsewhere. */
function coloured({ labels, frame, colours, chosen }, ready) {
  const small = document.createElement('canvas')
  small.width = labels.width
  small.height = labels.height
  const pixels = new ImageData(labels.width, labels.height)
  const some = chosen.some(Boolean)
  for (let token = 0; token < labels.area; token += 1) {
    const dim = some && !chosen[token] ? 0.55 : 1
    const colour = colours[labels.at(frame, token)]
    for (let channel = 0; channel < 3; channel += 1) pixels.data[4 * token + channel] = colour[channel] * dim
    pixels.data[4 * token + 3] = ready ? 150 : 255
  }
  small.getContext('2d').putImageData(pixels, 0, 0)
  return small
}

function hatch(context, { labels, frame, colours }, [width, height]) {
  const step = Math.max(6, context.canvas.width / 60)
  for (let cluster = ROUND; cluster < colours.length; cluster += 1) {
    const [right, down] = HATCHES[Math.floor(cluster / ROUND) % HATCHES.length] ?? [0, 0]
    context.save()
    context.beginPath()
    for (let token = 0; token < labels.area; token += 1) {
      if (labels.at(frame, token) === cluster) {
        context.rect((token % labels.width) * width, Math.floor(token / labels.width) * height, width, height)
      }
    }
    context.clip()
    context.beginPath()
    const far = context.canvas.width + context.canvas.height
    for (let at = -far; at < far; at += step) {
      const [x, y] = down ? [at, 0] : [0, at]
      context.moveTo(x - far * right, y - far * down)
      context.lineTo(x + far * right, y + far * down)
    }
    context.strokeStyle = 'rgba(255, 255, 255, 0.7)'
    context.lineWidth = 1.5
    context.stroke()
    context.restore()
  }
}

/** A white line on a black one along the edges of a set of tokens: seen on any colour. */
function outline(context, labels, inside, [width, height], thickness) {
  const edge = (fromX, fromY, toX, toY) => { context.moveTo(fromX, fromY); context.lineTo(toX, toY) }
  context.beginPath()
  for (let token = 0; token < labels.area; token += 1) {
    if (!inside(token)) continue
    const column = token % labels.width
    const [x, y] = [column * width, Math.floor(token / labels.width) * height]
    if (column === 0 || !inside(token - 1)) edge(x, y, x, y + height)
    if (column === labels.width - 1 || !inside(token + 1)) edge(x + width, y, x + width, y + height)
    if (token < labels.width || !inside(token - labels.width)) edge(x, y, x + width, y)
    if (token >= labels.area - labels.width || !inside(token + labels.width)) edge(x, y + height, x + width, y + height)
  }
  twice(context, thickness)
}

function frameToken(context, labels, token, [width, height], thickness) {
  context.beginPath()
  context.rect((token % labels.width) * width, Math.floor(token / labels.width) * height, width, height)
  twice(context, thickness)
}

function twice(context, thickness) {
  context.lineCap = 'square'
  context.strokeStyle = 'black'
  context.lineWidth = 2 * thickness
  context.stroke()
  context.strokeStyle = 'white'
  context.lineWidth = thickness
  context.stroke()
}

function numbers(context, { labels, chosen, middles }, [width, height]) {
  const size = Math.max(14, Math.round(Math.max(context.canvas.width / 22, context.canvas.height / 16))) // to be read on a wide clip too
  context.font = `bold ${size}px sans-serif`
  context.textAlign = 'center'
  context.textBaseline = 'middle'
  context.lineJoin = 'round'
  context.lineWidth = size / 4
  for (const [cluster, token] of middles.entries()) {
    if (token < 0) continue
    const place = [((token % labels.width) + 0.5) * width, (Math.floor(token / labels.width) + 0.5) * height]
    const text = chosen[token] ? `${cluster} ✓` : String(cluster)
    context.strokeStyle = 'white'
    context.strokeText(text, ...place)
    context.fillStyle = 'black'
    context.fillText(text, ...place)
  }
}
