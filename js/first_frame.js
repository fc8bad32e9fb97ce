// The first frame that Load Video Frames gives, found in a video that can only be asked what it shows at a time. Mirrors
// videograin/media/selection.py and resize.py; tests compare them. Nothing here touches the page.

const TYPED = 0.001 // precision of a typed time, in seconds
const [EXACT, ROUNDED] = [0.00005, 0.0009] // how far a frame's time may be off, in a container that knows milliseconds at best
const LEAST = 0.001 // seconds between two frames
const AHEAD = 4 // times as many frames as were counted: so far a measured frame time can be trusted
const NTSC = [24, 30, 48, 60, 120, 240].map((whole) => (1000 * whole) / 1001)

/**
 * When the first frame appears, on the video's clock; null if the clip ends before it.
 * shownAt: gives the time at which the frame began that is on screen at a time (a promise). end: of the video.
 */
export async function firstTime(shownAt, end, { start, rate, skip }) {
  const zero = await shownAt(0)
  const origin = start ? await from(shownAt, end, zero + start - TYPED / 2) : zero
  if (origin === null || !skip) return origin
  if (!rate) return passed(shownAt, end, origin, skip)
  const time = origin + skip / exactRate(rate)
  if (time >= end) return null
  const shown = await shownAt(time + TYPED)
  const rounded = Math.abs(shown * 1000 - Math.round(shown * 1000)) < 1e-6 ? ROUNDED : EXACT
  return shown <= time + rounded ? shown : shownAt(time + rounded)
}

const exactRate = (rate) => NTSC.find((ntsc) => Math.abs(ntsc - rate) < 1 / 200) ?? rate

/** The first frame that begins at a time or later. */
async function from(shownAt, end, time) {
  const shown = await shownAt(time + TYPED)
  return shown >= time ? shown : next(shownAt, end, shown)
}

/** The frame after one: a later one is looked for, then all that lie between. */
async function next(shownAt, end, frame) {
  let [low, high, step] = [frame, frame, 0.05]
  while (high <= frame) {
    if (frame + step / 2 >= end) return null
    high = await shownAt(Math.min(frame + step, end))
    step *= 2
  }
  while (high - low > LEAST) {
    const middle = (low + high) / 2
    const shown = await shownAt(middle)
    if (shown > frame && shown < high) high = shown
    else if (shown > frame) return high
    else low = middle
  }
  return high
}

/** The frame so many frames after one. Their distance is measured over ever more of them: containers round times. */
async function passed(shownAt, end, origin, count) {
  let [time, known] = [await next(shownAt, end, origin), 1]
  while (time !== null && known < count) {
    const step = (time - origin) / known
    const wanted = Math.min(known * AHEAD, count)
    if (origin + wanted * step >= end) return null
    time = await shownAt(origin + (wanted + 0.5) * step)
    known = wanted
  }
  return time
}

/**
 * How a picture of some [width, height] lies in a frame: {size, from, to}, the last two as left, top, width, height; null if
 * no pixel is left. fit: {mode, width, height}, as the loader's widgets say.
 */
export function placed(have, { mode, width, height }) {
  if (mode === 'exact') {
    const size = [width, height]
    const scale = Math.min(have[0] / width, have[1] / height)
    const cut = size.map((side) => Math.max(1, roundEven(side * scale)))
    const corner = cut.map((side, axis) => Math.floor((have[axis] - side) / 2))
    return { size, from: [...corner, ...cut], to: [0, 0, ...size] }
  }
  const [, unit, how] = /^multiple of (\d+), (cropped|padded)$/.exec(mode) ?? [null, 1, 'cropped']
  const size = have.map((side) => (how === 'padded' ? Math.ceil : Math.floor)(side / unit) * unit)
  if (size.includes(0)) return null
  const start = have.map((side, axis) => Math.floor((side - size[axis]) / 2))
  const both = have.map((side, axis) => Math.min(side, size[axis]))
  return { size, from: [...start.map((at) => Math.max(0, at)), ...both], to: [...start.map((at) => Math.max(0, -at)), ...both] }
}

const roundEven = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value))
