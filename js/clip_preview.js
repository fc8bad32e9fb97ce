// The first frame that a node will be given of a clip, drawn from the clip's file before any run.

import { originOf } from './graph.js'
import { firstTime, placed } from './first_frame.js'
import { element, isLinked, pictureUrl } from './panel.js'

const LOADER = 'VideoGrainLoadVideoFrames'
export const DEMO_CLIP = 'VideoGrain demo clip.mp4 [temp]' // as videograin/comfyui/input_files.py names the pack's own
export const SETTINGS = ['file', 'start_time', 'force_rate', 'skip', 'size', 'width', 'height', 'background']
const PATIENCE = 10_000 // milliseconds for a file to answer
const PAINTED = 100 // milliseconds until a frame that was sought has come to the screen; one that stood there comes no more
const WITHIN = 0.001 // seconds after a frame's beginning, in which it is surely on the screen
const LONGEST = 86_400 // seconds: some files do not say how long they are
const KEPT = 4 // pictures; undo makes nodes anew and asks again

/** The Load Video Frames that a node has its clip from, where its own widgets say which; null for any other source. */
function loaderOf(node) {
  const loader = originOf(node, 'frames')
  const own = loader?.constructor.comfyClass === LOADER && loader.mode === 0 && !loader.isInputConnected(slotOf(loader, 'video'))
  return own && !SETTINGS.some((name) => isLinked(loader, name)) ? loader : null
}

const slotOf = (node, wanted) => node.inputs.findIndex(({ name }) => name === wanted)

export const fileOf = (loader) => String(loader?.widgets?.find(({ name }) => name === 'file')?.value ?? '')

/** What the picture depends on, as text; '' where the node's clip is no file that a browser may play. */
export function asked(node) {
  const loader = loaderOf(node)
  if (!fileOf(loader)) return ''
  return JSON.stringify(SETTINGS.map((wanted) => loader.widgets.find(({ name }) => name === wanted)?.value ?? null))
}

const made = new Map() // what was asked for → its picture, a promise

/** The picture of a text from `asked`, a canvas of the frame's own pixels; null where the browser cannot make it. */
export function firstFrame(text) {
  if (!made.has(text)) {
    if (made.size >= KEPT) made.delete(made.keys().next().value)
    made.set(text, draw(text).catch(() => null))
  }
  return made.get(text)
}

async function draw(text) {
  const [file, start, rate, skip, mode, width, height, background] = JSON.parse(text)
  const video = element('video', { muted: true, playsInline: true, preload: 'auto' })
  try {
    const loaded = told(video, 'loadeddata')
    video.src = urlOf(file)
    await loaded
    const shownAt = watched(video)
    const time = await firstTime(shownAt, Math.min(video.duration, LONGEST), { start, rate, skip })
    const place = video.videoWidth && placed([video.videoWidth, video.videoHeight], { mode, width, height })
    if (time === null || !place || !hasSquarePixels(video)) return null
    await shownAt(time + WITHIN)
    return painted(video, place, background)
  } finally {
    video.removeAttribute('src')
    video.load() // lets go of the file
  }
}

/** False where the browser stretches the stored pixels, which the loader keeps. Unknown without a secure context: taken for true. */
function hasSquarePixels(video) {
  if (!globalThis.VideoFrame) return true
  const frame = new globalThis.VideoFrame(video)
  const stored = [frame.visibleRect.width, frame.visibleRect.height]
  frame.close()
  const sorted = (sides) => String(sides.sort((a, b) => a - b)) // a turned picture is no stretched one
  return sorted(stored) === sorted([video.videoWidth, video.videoHeight])
}

function urlOf(file) {
  const [, subfolder, filename] = /^(?:(.*)\/)?(.*?)(?: \[input\])?$/.exec(file)
  return pictureUrl({ filename, subfolder: subfolder ?? '', type: 'input' })
}

/** Resolves at an event; rejects at an error, or where none comes. */
function told(target, event) {
  return new Promise((resolve, reject) => {
    target.addEventListener(event, resolve, { once: true })
    target.addEventListener('error', reject, { once: true })
    setTimeout(reject, PATIENCE)
  })
}

/** A function that goes to a time of the video and gives the time at which the frame began that is shown there. */
function watched(video) {
  let shown = 0
  let seen = () => {}
  const watch = (_, { mediaTime }) => {
    shown = mediaTime
    video.requestVideoFrameCallback(watch)
    seen()
  }
  video.requestVideoFrameCallback(watch)
  return async (time) => {
    const painting = new Promise((resolve) => { seen = resolve })
    const there = told(video, 'seeked')
    video.currentTime = time
    await there
    await Promise.race([painting, new Promise((resolve) => setTimeout(resolve, PAINTED))])
    return shown
  }
}

function painted(video, { size, from, to }, background) {
  const [canvas, [width, height], [left, top, across, down]] = [element('canvas'), size, to]
  Object.assign(canvas, { width, height })
  const context = canvas.getContext('2d')
  Object.assign(context, { imageSmoothingQuality: 'high', fillStyle: background.trim() })
  context.fillRect(0, 0, width, height)
  context.drawImage(video, ...from, ...to)
  const [right, bottom] = [left + across, top + down]
  // Edge pixels are repeated outwards, to both sides and then up and down, without a look at their neighbours.
  context.imageSmoothingEnabled = false
  if (left) context.drawImage(canvas, left, top, 1, down, 0, top, left, down)
  if (right < width) context.drawImage(canvas, right - 1, top, 1, down, right, top, width - right, down)
  if (top) context.drawImage(canvas, 0, top, width, 1, 0, 0, width, top)
  if (bottom < height) context.drawImage(canvas, 0, bottom - 1, width, 1, 0, bottom, width, height - bottom)
  return canvas
}
