import { describe, expect, it } from 'vitest';
import { SlackRefusedError, slackWebhook } from '../../adapters/slack-webhook.ts';
import { slackMessage } from '../../core/monitoring/slack-message.ts';

const shown = (message: Parameters<typeof slackMessage>[0]) =>
  slackMessage(message) as {
    text: string;
    blocks: { type: string; text?: { text: string } }[];
  };

describe('a message in Slack', () => {
  it('has what happened first, then the rest', () => {
    const { text, blocks } = shown({
      subject: 'flight-delay: run r-1 failed',
      text: 'Run r-1 failed.\nWhat was live stays live.',
      severity: 'page',
    });
    expect(text).toBe('🔴 flight-delay: run r-1 failed');
    expect(blocks.map(({ text: own }) => own?.text)).toEqual([
      '*🔴 flight-delay: run r-1 failed*',
      'Run r-1 failed.\nWhat was live stays live.',
    ]);
  });

  it('of an alarm says its state, what it means and why, and not its JSON', () => {
    const alarm = {
      AlarmName: 'slipway-prod-flight-delay-errors',
      AlarmDescription: 'flight-delay fails to answer; docs/runbook.md says what to do.',
      NewStateValue: 'ALARM',
      NewStateReason: 'Threshold Crossed: 2 datapoints [3.0, 1.0] were >= 1.0.',
      Trigger: { MetricName: 'PredictionErrors' },
    };
    const { text, blocks } = shown({ subject: 'ALARM: …', text: JSON.stringify(alarm) });
    expect(text).toBe('🔴 ALARM: slipway-prod-flight-delay-errors');
    expect(blocks[1]?.text?.text).toBe(
      'flight-delay fails to answer; docs/runbook.md says what to do.\nThreshold Crossed: 2 datapoints [3.0, 1.0] were &gt;= 1.0.',
    );
    const over = shown({ subject: null, text: JSON.stringify({ ...alarm, NewStateValue: 'OK' }) });
    expect(over.text).toMatch(/^🟢 OK: /);
  });

  it('cannot call everybody, nor hide a link', () => {
    const { text, blocks } = shown({ subject: '<!channel>', text: '<https://evil|good> & more' });
    expect(text).toBe('&lt;!channel&gt;');
    expect(blocks[1]?.text?.text).toBe('&lt;https://evil|good&gt; &amp; more');
  });

  it('is shortened to what Slack takes', () => {
    const { blocks } = shown({ subject: 'long', text: 'x'.repeat(10_000) });
    expect(blocks).toHaveLength(2);
    expect(blocks[1]?.text?.text.length).toBeLessThanOrEqual(3_000);
  });
});

describe('a webhook that cannot be reached', () => {
  it('is told without its address, which is a secret', async () => {
    for (const url of ['http://127.0.0.1:1/services/secret', 'not a url: secret']) {
      const webhook = slackWebhook({ url: async () => url, pause: async () => undefined });
      const failure = await webhook.post({}).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(SlackRefusedError);
      expect(`${(failure as Error).message} ${String((failure as Error).cause)}`).not.toContain(
        'secret',
      );
    }
  });
});
