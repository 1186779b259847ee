// Where the nodes of a graph stand: from what the server declares, or, where it does not serve the graph any more, from
// what the log shows. Laid out from top to bottom. Pure.

import { Graph, layout } from "@dagrejs/dagre";
import type { GraphInfo } from "riverrun";

import type { Picture } from "../model/picture";

/** A node with its place, of its upper left corner. */
export interface Placed {
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

/** A way between two nodes. */
export interface Way {
  readonly source: string;
  readonly target: string;
  readonly conditional: boolean;
}

/** A graph to draw. */
export interface Shape {
  readonly nodes: readonly Placed[];
  readonly ways: readonly Way[];
}

export const WIDTH = 168;
export const HEIGHT = 52;
/** Start and end are small. */
export const SMALL = 28;

/** Lay out what a server declares. */
export function declared(graph: GraphInfo): Shape {
  const ways = (graph.edges ?? []).map((edge) => ({ ...edge, conditional: edge.conditional ?? false }));
  return laidOut([...(graph.nodes ?? [])], ways);
}

/** Lay out what a log shows. */
export function observed(picture: Picture): Shape {
  const names = new Set<string>();
  const ways = new Map<string, Way>();
  for (const { node, after, ns } of picture.executions.values()) {
    if (ns.length > 0 || isEdge(node)) continue;
    names.add(node);
    const sources = after.map((exec) => picture.executions.get(exec)?.node ?? "__start__");
    for (const source of sources.length === 0 ? ["__start__"] : sources) {
      ways.set(`${source} ${node}`, { source, target: node, conditional: false });
    }
  }
  return laidOut([...names], [...ways.values()]);
}

/** Say whether this is the start or the end. */
export function isEdge(name: string): boolean {
  return name === "__start__" || name === "__end__";
}

function laidOut(names: readonly string[], ways: readonly Way[]): Shape {
  const all = new Set(names);
  for (const { source, target } of ways) {
    all.add(source);
    all.add(target);
  }
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: 26, ranksep: 38, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const name of all) graph.setNode(name, { width: isEdge(name) ? SMALL : WIDTH, height: isEdge(name) ? SMALL : HEIGHT });
  ways.forEach(({ source, target }, at) => graph.setEdge(source, target, {}, String(at)));
  layout(graph);
  const nodes = [...all].map((name) => {
    const { x, y, width, height } = graph.node(name) as { x: number; y: number; width: number; height: number };
    return { name, x: x - width / 2, y: y - height / 2 };
  });
  return { nodes, ways };
}
