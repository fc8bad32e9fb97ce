// What views show, kept in the browser: it outlives a reload, and the folder of pictures that ComfyUI empties when it starts.
// Where nothing can be kept (a private window, a full disk), views are as they would be without.

const DATABASE = 'videograin'
const VIEWS = 'views' // [workflow's id, node's name] → {key, kind, text, names (of its pictures), bytes, at}
const PICTURES = 'pictures' // name → Blob
const CAP = 200e6 // bytes, as README says

const opened = open().catch(() => null)
const held = new Set() // names of pictures that are known to be in the store: no other waits for its answer
let writing = Promise.resolve() // one after another, so that the last one shown is the one kept

async function open() {
  const request = globalThis.indexedDB.open(DATABASE, 1)
  request.onupgradeneeded = () => {
    request.result.createObjectStore(VIEWS, { keyPath: 'key' })
    request.result.createObjectStore(PICTURES)
  }
  return answered(request)
}

function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

function ended(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = resolve
    transaction.onabort = () => reject(transaction.error)
  })
}

/** The stores by name, for one transaction; null where there are none. */
async function begin(mode) {
  const database = await opened
  if (!database) return null
  const transaction = database.transaction([VIEWS, PICTURES], mode)
  return { transaction, views: transaction.objectStore(VIEWS), pictures: transaction.objectStore(PICTURES) }
}

/** What is kept of a node's view, or undefined. */
export async function recalled(key) {
  try {
    const view = await answered((await begin('readonly')).views.get(key))
    view?.names.forEach((name) => held.add(name))
    return view
  } catch {
    return undefined
  }
}

/** A kept picture as a Blob, or undefined: at once for one that is not kept, even where the store never answers. */
export async function keptPicture(name) {
  if (!held.has(name)) return undefined
  try {
    return await answered((await begin('readonly')).pictures.get(name))
  } catch {
    return undefined
  }
}

/** Keeps a view, {key, kind, text, names}, in the place of what its node showed before. fetched: gives a picture, as a Blob, by name. */
export function keep(view, fetched) {
  writing = writing.then(() => write(view, fetched)).catch(() => {})
}

async function write(view, fetched) {
  if (!(await opened) || (await recalled(view.key))?.text === view.text) return
  await replace(view.key) // at once: what is not the last one must not be shown, should the rest fail
  const blobs = []
  for (const name of view.names) blobs.push(await fetched(name)) // one at a time: the page's own requests go first
  const bytes = blobs.reduce((sum, blob) => sum + blob.size, view.text.length)
  if (bytes <= CAP) await replace(view.key, { ...view, bytes, at: Date.now() }, blobs)
}

async function replace(key, view, blobs) {
  const { transaction, views, pictures } = await begin('readwrite')
  for (const old of outgoing(await answered(views.getAll()), key, CAP - (view?.bytes ?? 0))) {
    views.delete(old.key)
    for (const name of old.names) pictures.delete(name)
  }
  if (view) views.put(view)
  view?.names.forEach((name, index) => pictures.put(blobs[index], name))
  await ended(transaction)
  view?.names.forEach((name) => held.add(name))
}

/** Which of all views must go when one is kept anew: itself, and the oldest until the others fit into `room` bytes. */
export function outgoing(all, key, room) {
  const others = all.filter((view) => String(view.key) !== String(key)).sort((one, other) => other.at - one.at)
  let left = room
  const staying = new Set(others.filter(({ bytes }) => { left -= bytes; return left >= 0 }))
  return all.filter((view) => !staying.has(view))
}
