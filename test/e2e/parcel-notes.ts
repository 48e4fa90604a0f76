// A model that cannot be a graph: Python that reads what people wrote on parcels, and says which words counted.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelDefinitionInput } from '../../core/model/define-model.ts';

export const notesModel = 'parcel-notes';

const definition = (smoothing: number, mustBeatBaselineBy: number): ModelDefinitionInput => ({
  name: notesModel,
  data: {
    columns: {
      parcel_id: { type: 'string' },
      sent_at: { type: 'timestamp' },
      note: { type: 'string', nullable: true },
      late: { type: 'integer', allowed: [0, 1] },
    },
    label: 'late',
    entityKey: 'parcel_id',
    eventTime: 'sent_at',
  },
  features: { inModel: ['note'] },
  training: { trainer: 'python', hyperparameters: { smoothing }, spot: false },
  evaluation: {
    task: 'binary_classification',
    metric: 'auc',
    holdout: { by: 'time', days: 7 },
    mustBeatBaselineBy,
    mustBeatProductionBy: -0.5,
  },
  serving: { target: 'container', memoryMb: 1_024 },
  delivery: { approval: 'automatic' },
});

const trainPy = `"""How often a parcel came late that had a word on it."""

import math


def words(note):
    return note.lower().split() if isinstance(note, str) else []


def train(data, hyperparameters):
    smoothing, overall = hyperparameters["smoothing"], float(data["late"].mean())
    seen, late = {}, {}
    for note, label in zip(data["note"], data["late"]):
        for word in set(words(note)):
            seen[word] = seen.get(word, 0) + 1
            late[word] = late.get(word, 0) + int(label)
    share = {word: (late[word] + smoothing * overall) / (seen[word] + smoothing) for word in seen}
    return {"overall": overall, "share": share}


def logit(share):
    return math.log(share / (1 - share))


def predict(fitted, data):
    answers = []
    for note in data["note"]:
        if note == "raise":
            raise LookupError("no such note")
        known = [word for word in words(note) if word in fitted["share"]]
        base = logit(fitted["overall"])
        score = base + sum(logit(fitted["share"][word]) - base for word in known)
        answers.append({"prediction": 1 / (1 + math.exp(-score)), "words": known})
    return answers
`;

/** A folder of models, for SLIPWAY_MODELS. */
export function notesFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-notes-'));
  const own = join(folder, notesModel);
  mkdirSync(own);
  writeFileSync(join(own, 'train.py'), trainPy);
  writeFileSync(join(own, 'requirements.txt'), '');
  changeNotes(folder, 5);
  return folder;
}

/** Writes the model with another hyperparameter, or a gate that nothing passes. */
export function changeNotes(folder: string, smoothing: number, mustBeatBaselineBy = 0.01): void {
  const text = `export default ${JSON.stringify(definition(smoothing, mustBeatBaselineBy))};\n`;
  writeFileSync(join(folder, notesModel, 'model.ts'), text);
}

const shares = { fragile: 0.8, urgent: 0.25, snow: 0.9, book: 0.2, glass: 0.6, letter: 0.1 };

/** Parcels of thirty days; how often they are late is the mean of their two words'. */
export function notesCsv(rows: number): string {
  const words = Object.entries(shares);
  const lines = Array.from({ length: rows }, (_, row) => {
    // Weyl's sequences: spread evenly, and the same every time.
    const [first, one] = words[Math.floor(((row * 0.6180339887498949) % 1) * words.length)] ?? [
      '',
      0.5,
    ];
    const [second, other] = words[Math.floor(((row * 0.4142135623730951) % 1) * words.length)] ?? [
      '',
      0.5,
    ];
    const late = (row * 0.7548776662466927) % 1 < (one + other) / 2 ? 1 : 0;
    const sent = new Date(Date.UTC(2026, 0, 1, 0, Math.floor((row / rows) * 43_200)));
    return `n-${row},${sent.toISOString()},${row % 50 === 0 ? '' : `${first} ${second}`},${late}`;
  });
  return ['parcel_id,sent_at,note,late', ...lines, ''].join('\n');
}
