import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  PutRetentionPolicyCommand,
  ResourceAlreadyExistsException,
} from '@aws-sdk/client-cloudwatch-logs';

export type LogGroups = ReturnType<typeof cloudwatchLogGroups>;

/** CloudWatch's log groups. Rejects with the SDK's errors. */
export function cloudwatchLogGroups({
  client = new CloudWatchLogsClient(),
}: {
  readonly client?: CloudWatchLogsClient;
} = {}) {
  return {
    /** Has a group's lines kept for so many days, whether or not it is there already. */
    async keep(logGroupName: string, retentionInDays: number): Promise<void> {
      try {
        await client.send(new CreateLogGroupCommand({ logGroupName }));
      } catch (error) {
        if (!(error instanceof ResourceAlreadyExistsException)) throw error;
      }
      await client.send(new PutRetentionPolicyCommand({ logGroupName, retentionInDays }));
    },
  };
}
