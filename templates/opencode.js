// Kept by `intercom init`; `intercom uninstall` takes it away.
// It tells Intercom what sessions of this program do, and puts before them what Intercom has for them.
import { spawn } from "node:child_process"
import { basename } from "node:path"

const CALL = ["intercom"]
const PROGRAM = basename(process.execPath).includes("kilo") ? "kilo" : "opencode" // which is its fork
const WAKE = 2 // exit status of the waiter, whose error output is then the next prompt

export const Intercom = async ({ client, directory }) => {
  const inner = new Set() // sessions of subagents: nothing is for them
  const waiting = new Set() // sessions beside which a waiter runs

  const hook = (event, session, more = {}) =>
    new Promise((done) => {
      const said = { out: "", err: "" }
      const child = spawn(CALL[0], [...CALL.slice(1), "hook", event, "--program", PROGRAM], { cwd: directory })
      child.stdout.on("data", (data) => (said.out += data))
      child.stderr.on("data", (data) => (said.err += data))
      child.on("error", () => done({ status: 1, text: "" }))
      child.stdin.on("error", () => {})
      child.on("close", (status) =>
        done({ status, text: status === WAKE ? said.err.trim() : textOf(said.out), decision: decisionOf(said.out) }),
      )
      child.stdin.end(JSON.stringify({ hook_event_name: event, session_id: session, cwd: directory, ...more }))
    })

  const answer = (out) => {
    try {
      return JSON.parse(out)
    } catch {
      return {}
    }
  }
  const textOf = (out) => answer(out).reason ?? answer(out).context ?? ""
  const decisionOf = (out) => ({ allow: "once", deny: "reject" })[answer(out).decision]

  // A permission: the master may answer it; whoever is faster, it or a person at the terminal, decides.
  const ask = async ({ id, sessionID, permission, patterns, metadata }) => {
    const about = metadata?.command ?? (patterns ?? []).join("\n")
    const input = permission === "bash" ? { command: about } : { path: about }
    const { decision } = await hook("asks", sessionID, { tool_name: permission, tool_input: input })
    if (!decision) return
    await client
      .postSessionIdPermissionsPermissionId({
        path: { id: sessionID, permissionID: id },
        query: { directory },
        body: { response: decision },
      })
      .catch(() => {}) // answered meanwhile
  }

  const prompt = (session, text) =>
    client.session.promptAsync({
      path: { id: session },
      query: { directory },
      body: { parts: [{ type: "text", text }] },
    })

  const wait = async (session) => {
    if (waiting.has(session)) return
    waiting.add(session)
    const { status, text } = await hook("wait", session, { hook_event_name: "idle" })
    waiting.delete(session)
    if (status === WAKE && text) await prompt(session, text)
  }

  return {
    event: async ({ event }) => {
      const info = event.properties?.info
      if (event.type === "session.created" && info?.parentID) inner.add(info.id)
      const session = event.properties?.sessionID
      if (event.type === "permission.asked" && session && !inner.has(session)) void ask(event.properties)
      if (event.type !== "session.idle" || !session || inner.has(session)) return
      const { text } = await hook("idle", session)
      if (text) await prompt(session, text)
      else void wait(session)
    },
    "chat.message": async (input, output) => {
      if (inner.has(input.sessionID)) return
      const part = output.parts.find((one) => one.type === "text")
      if (!part) return
      const { text } = await hook("prompt", input.sessionID, { prompt: part.text })
      if (text) part.text += `\n\n${text}`
    },
    "tool.execute.before": async (input) => {
      if (!inner.has(input.sessionID)) await hook("before", input.sessionID, { tool_name: input.tool })
    },
    "tool.execute.after": async (input, output) => {
      if (inner.has(input.sessionID)) return
      const { text } = await hook("after", input.sessionID, { tool_name: input.tool })
      if (!text) return
      if (Array.isArray(output.content)) output.content.push({ type: "text", text })
      else output.output = `${output.output ?? ""}\n\n${text}`
    },
  }
}
