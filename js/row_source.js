// The clip that Regions is to mark: of its last run, or before one the first frame, from the file or by a run to here.

import { app } from '../../scripts/app.js'
import { asked, firstFrame } from './clip_preview.js'
import { isReady, nameOf, originOf } from './graph.js'
import { element, say } from './panel.js'

const memories = new Map() // what the view of a node remembers while it has not run: undo makes nodes anew

export class RowSource {
  /** table: is told by display(data, memory), as a view's `show` takes them, and by conceal(). */
  constructor(node, table) {
    Object.assign(this, { node, table })
    this.hint = element('span')
    this.button = element('button', { type: 'button', textContent: say('show_frames'), title: say('show_frames_hint'), hidden: true })
    this.button.addEventListener('click', () => this.run())
    this.element = element('div', { className: 'look' }, this.hint, this.button)
    requestAnimationFrame(() => this.refresh()) // the node's links come after it
  }

  /** The node has run. A picture of another clip or cut of it than the loader now says is no longer shown. */
  ran(data, memory) {
    Object.assign(this, { data, memory, state: null })
    this.refresh()
  }

  /** Frames were connected, by a user if a link is being drawn: then they are shown without being asked for. */
  connected() {
    this.wanted = Boolean(app.canvas.linkConnector?.isConnecting)
    requestAnimationFrame(() => this.refresh())
  }

  /** Shows the first frame anew where the graph gives another. */
  async refresh() {
    const text = asked(this.node)
    const state = text || `from ${originOf(this.node, 'frames')?.id}`
    if (state === this.state) return
    this.state = state
    if (originOf(this.node, 'frames')) this.cut = text // without a link, marks wait for the next
    if (this.data && (!text || text === JSON.stringify(this.data.clip))) return this.table.display(this.data, this.memory)
    const { data } = this
    const picture = text ? await firstFrame(text) : null
    if (state !== this.state || data !== this.data) return // meanwhile another clip, or the node's own pictures
    if (picture) this.table.display(of(picture), this.remembered())
    else this.offer()
  }

  remembered() {
    const key = `${app.graph.id} ${nameOf(this.node)}`
    if (!memories.has(key)) memories.set(key, {})
    return memories.get(key)
  }

  /** Nothing can be shown before a run. */
  offer() {
    const connected = originOf(this.node, 'frames')
    this.hint.textContent = say(connected ? 'rows_look' : 'rows_unconnected')
    this.button.hidden = !connected
    this.table.conceal()
    if (this.wanted && connected && isReady(this.node)) this.run()
    this.wanted = false
  }

  /** Runs the workflow as far as this node. The user's selection stays. */
  async run() {
    const { canvas } = app
    const selected = [...canvas.selectedItems]
    canvas.deselectAll()
    canvas.select(this.node)
    await app.extensionManager.command.execute('Comfy.QueueSelectedOutputNodes')
    canvas.deselectAll()
    for (const item of selected) canvas.select(item)
  }
}

/** What a run would give a view to show, of one picture of a clip whose length is not known. */
const of = (picture) => ({ size: [picture.width, picture.height], pictures: [picture], count: Infinity, marks: [], doubles: [] })
