// The graph with the state of each node at the moment that is shown, and the ways that were taken.

import { Background, Controls, Handle, MarkerType, Position, ReactFlow, type Edge, type Node, type NodeProps } from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { memo, useEffect, useMemo, useRef, useState, type CSSProperties, type ReactElement } from "react";
import type { GraphInfo } from "riverrun";

import { span } from "../base/format";
import { client } from "../base/server";
import { useSay, type Word } from "../base/words";
import type { Execution, Picture } from "../model/picture";
import type { Reading } from "../model/reading";
import { StateSign } from "../parts/status";
import "../styles/diagram.css";
import { declared, isEdge, observed, type Shape } from "./shape";

interface Shown extends Record<string, unknown> {
  readonly name: string;
  readonly agent: string;
  /** Empty where it belongs to no run. */
  readonly state: string;
  readonly times: number;
  readonly took: string;
  readonly colour: number;
}

type ShownNode = Node<Shown>;

/** Milliseconds between two pictures of the diagram: it shows tenths of a second at best. */
const SLOWER = 350;

/** The diagram of a run. */
export function Diagram({ reading }: { readonly reading: Reading }): ReactElement {
  const { at, version } = reading;
  const slow = useSlow(version);
  return <RunDiagram reading={reading} beat={at === null ? slow : -version} />;
}

const RunDiagram = memo(DrawnDiagram);

/** Follow a number that changes often, from time to time, and always to where it stops. */
function useSlow(version: number): number {
  const [slow, setSlow] = useState(version);
  const latest = useRef(version);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  latest.current = version;
  useEffect(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      setSlow(latest.current);
    }, SLOWER);
  }, [version]);
  useEffect(() => () => {
    clearTimeout(timer.current);
    timer.current = undefined;
  }, []);
  return slow;
}

function DrawnDiagram({ reading }: { readonly reading: Reading; readonly beat: number }): ReactElement {
  const { graph } = reading;
  const served = useServed(reading.client === null ? "" : graph, reading.truth.reconnects);
  const seen = reading.live.executions.size;
  const shape = useMemo(
    () => (served === null ? observed(reading.live) : declared(served)),
    // What a log shows grows with its executions.
    // eslint-disable-next-line
    [served, served === null ? seen : 0, reading],
  );
  return <Drawn shape={shape} picture={reading.shown} />;
}

/** The diagram of a graph that does not run. */
export function Preview({ graph }: { readonly graph: GraphInfo }): ReactElement {
  const shape = useMemo(() => declared(graph), [graph]);
  return <Drawn shape={shape} picture={null} />;
}

function Drawn({ shape, picture }: { readonly shape: Shape; readonly picture: Picture | null }): ReactElement {
  const { say } = useSay();
  const latest = picture === null ? new Map<string, Latest>() : latestOf(picture);
  const nodes: ShownNode[] = shape.nodes.map(({ name, x, y }) => ({
    id: name,
    type: isEdge(name) ? "edge" : "node",
    position: { x, y },
    data: shownOf(name, latest.get(name), picture),
    draggable: false,
    connectable: false,
    ariaLabel: isEdge(name) || picture === null ? name : `${name}: ${say(`run.node.${latest.get(name)?.execution.state ?? "waiting"}` as Word)}`,
  }));
  const edges: Edge[] = shape.ways.map(({ source, target, conditional }, at) => {
    const taken = picture !== null && wasTaken(source, target, picture);
    const busy = taken && latest.get(target)?.execution.state === "started";
    return {
      id: String(at),
      source,
      target,
      className: `way${conditional ? " conditional" : ""}${taken ? " taken" : ""}`,
      animated: busy,
      markerEnd: { type: MarkerType.ArrowClosed, width: 14, height: 14, color: taken ? "var(--main)" : "var(--line-strong)" },
    };
  });
  return (
    <div className="diagram">
      <ReactFlow
        key={shape.nodes.map((node) => node.name).join(" ")}
        nodes={nodes}
        edges={edges}
        nodeTypes={KINDS}
        fitView
        fitViewOptions={{ padding: 0.12, maxZoom: 1.1 }}
        minZoom={0.2}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        proOptions={{ hideAttribution: true }}
      >
        <Background gap={18} size={1} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

const KINDS = { node: memo(NodeBox), edge: memo(EdgeDot) };

function NodeBox({ data }: NodeProps<ShownNode>): ReactElement {
  const { say } = useSay();
  const style = data.colour < 0 ? {} : ({ "--agent": `var(--agent-${data.colour % 8})` } as CSSProperties);
  return (
    <div className="node-box" data-state={data.state} style={style}>
      <Handle type="target" position={Position.Top} />
      {data.state !== "" && <StateSign state={data.state} />}
      <div>
        <strong>{data.agent}</strong>
        <small>
          {data.agent === data.name ? "" : `${data.name} · `}
          {data.took === "" && data.state !== "" ? say(`run.node.${data.state}` as Word) : data.took}
          {data.times > 1 && ` · ${say("run.times", { n: data.times })}`}
        </small>
      </div>
      <Handle type="source" position={Position.Bottom} />
    </div>
  );
}

function EdgeDot({ data }: NodeProps<ShownNode>): ReactElement {
  return (
    <div className="edge-dot" data-name={data.name} data-state={data.state}>
      <Handle type="target" position={Position.Top} />
      <Handle type="source" position={Position.Bottom} />
    </div>
  );
}

interface Latest {
  readonly execution: Execution;
  readonly times: number;
}

/** The newest execution of each node of the outermost graph; what happens below counts for the node around it. */
function latestOf(picture: Picture): Map<string, Latest> {
  const latest = new Map<string, Latest>();
  for (const execution of picture.executions.values()) {
    if (execution.ns.length > 0) continue;
    latest.set(execution.node, { execution, times: (latest.get(execution.node)?.times ?? 0) + 1 });
  }
  return latest;
}

function shownOf(name: string, latest: Latest | undefined, picture: Picture | null): Shown {
  if (isEdge(name)) {
    const reached = picture !== null && (name === "__start__" ? picture.place > 0 : picture.view.ending === "completed");
    return { name, agent: name, state: reached ? "completed" : "waiting", times: 0, took: "", colour: -1 };
  }
  const empty = { name, agent: name, times: 0, took: "", colour: -1 };
  if (picture === null) return { ...empty, state: "" };
  if (latest === undefined) return { ...empty, state: "waiting" };
  const { execution, times } = latest;
  const took = span((execution.ended ?? picture.last) - execution.started);
  return { name, agent: execution.agent, state: execution.state, times, took, colour: picture.panes.get(execution.agent)?.ordinal ?? -1 };
}

function wasTaken(source: string, target: string, picture: Picture): boolean {
  if (target === "__end__") return picture.view.ending === "completed" && hasRun(source, picture);
  for (const { node, after, ns } of picture.executions.values()) {
    if (node !== target || ns.length > 0) continue;
    if (source === "__start__" ? after.length === 0 : after.some((exec) => picture.executions.get(exec)?.node === source)) return true;
  }
  return false;
}

function hasRun(node: string, picture: Picture): boolean {
  for (const execution of picture.executions.values()) if (execution.node === node && execution.state === "completed") return true;
  return false;
}

/** Ask what a server declares, and again with each new connection until it answers. */
function useServed(graph: string, connection: number): GraphInfo | null {
  const [served, setServed] = useState<GraphInfo | null>(null);
  const wanted = served === null ? connection : -1;
  useEffect(() => {
    if (graph === "" || wanted < 0) return undefined;
    let over = false;
    client.graphs().then(
      (graphs) => over || setServed(graphs.find((one) => one.name === graph) ?? null),
      () => undefined, // what the log shows is drawn instead
    );
    return () => {
      over = true;
    };
  }, [graph, wanted]);
  return served;
}
