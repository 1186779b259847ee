// What the run waits to be told, as forms. They follow the log: a question that was answered elsewhere goes away here.

import { useState, type ReactElement } from "react";
import { RiverrunError, type Json, type Question } from "riverrun";

import { useSay } from "../base/words";
import type { Reading } from "../model/reading";
import type { Schema } from "../model/schema";
import { Fields, useForm } from "../parts/form";
import { Icon } from "../parts/icon";
import { Trouble } from "../parts/trouble";
import { Value } from "../parts/value";

/** All open questions. */
export function Questions({ reading }: { readonly reading: Reading }): ReactElement | null {
  const { say } = useSay();
  const questions = [...reading.live.view.questions.values()];
  if (questions.length === 0 || reading.at !== null) return null;
  return (
    <section className="questions" aria-label={say("ask.title")}>
      <h2>
        <Icon sign="question" />
        {questions.length === 1 ? say("ask.one") : say("ask.many", { n: questions.length })}
      </h2>
      <div className="question-list">
        {questions.map((question) => (
          // Asked again with a problem it is a new form.
          <Asked key={`${question.id} ${question.problem ?? ""}`} reading={reading} question={question} />
        ))}
      </div>
    </section>
  );
}

interface AskedProps {
  readonly reading: Reading;
  readonly question: Question;
}

function Asked({ reading, question }: AskedProps): ReactElement {
  const { say } = useSay();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const send = async (answer: Json): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await reading.answer({ [question.id]: answer });
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  const held = question.kind === "before" || question.kind === "after";
  const elsewhere = error instanceof RiverrunError && (error.code === "E2015" || error.code === "E2009");
  return (
    <article className="question" data-question={question.id}>
      <header>
        <strong>{held ? say(`ask.${question.kind as "before" | "after"}`, { node: question.node }) : say("ask.by", { node: question.node })}</strong>
      </header>
      {question.value !== undefined && question.value !== null && (
        <div className="question-value">{typeof question.value === "string" ? question.value : <Value value={question.value} />}</div>
      )}
      {question.problem !== undefined && question.problem !== "" && (
        <p className="wrong" role="alert">
          {say("ask.problem", { why: question.problem })}
        </p>
      )}
      {held || isFlag(question) ? (
        <div className="actions">
          <button type="button" className="main" disabled={busy} onClick={() => void send(true)}>
            <Icon sign="check" />
            {say(held ? "ask.go" : "ask.approve")}
          </button>
          {!held && (
            <button type="button" disabled={busy} onClick={() => void send(false)}>
              <Icon sign="cross" />
              {say("ask.reject")}
            </button>
          )}
        </div>
      ) : (
        <Answer question={question} busy={busy} onAnswer={(answer) => void send(answer)} />
      )}
      {elsewhere && <p className="note">{say("ask.gone")}</p>}
      {error !== null && !elsewhere && <Trouble error={error} />}
    </article>
  );
}

function Answer(props: { readonly question: Question; readonly busy: boolean; readonly onAnswer: (answer: Json) => void }): ReactElement {
  const { say } = useSay();
  const schema = (props.question.schema ?? { type: "string" }) as Schema;
  const form = useForm(schema);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const answer = form.read();
        if (answer !== undefined) props.onAnswer(answer);
      }}
    >
      <Fields form={form} />
      <div className="actions">
        <button type="submit" className="main" disabled={props.busy}>
          {say(props.busy ? "ask.sending" : "ask.send")}
        </button>
      </div>
    </form>
  );
}

function isFlag(question: Question): boolean {
  const { schema } = question;
  return typeof schema === "object" && schema !== null && !Array.isArray(schema) && (schema as { type?: Json }).type === "boolean";
}
