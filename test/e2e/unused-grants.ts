// Granted actions that a whole life of a model on the laptop asks for nowhere, and why they are granted all the same.
type Reason = readonly [which: RegExp, why: string];

export const reasons: readonly Reason[] = [
  [
    /: logs:(CreateLogStream|PutLogEvents)$/,
    'Lambda and Firehose write logs in the role’s name; the laptop cloud does it without asking',
  ],
  [
    /(Pipeline|Batch)StateMachineRole: (lambda|logs|xray|sagemaker|iam|events):/,
    'Step Functions acts in the role’s name; the laptop cloud’s does it without asking',
  ],
  [
    /: kms:(Decrypt|GenerateDataKey)$/,
    'SNS and SSM ask the key in the caller’s name; the laptop cloud’s do not encrypt',
  ],
  [
    /: sqs:(SendMessage|GetQueueAttributes|GetQueueUrl|ReceiveMessage|DeleteMessage|ChangeMessageVisibility)$/,
    'Lambda takes from queues and sends dead letters in the role’s name; the laptop cloud’s does it without asking',
  ],
  [
    /EventStreamPredictEventsRole: kinesis:(DescribeStream|DescribeStreamSummary|GetRecords|GetShardIterator|ListShards)$/,
    'Lambda reads the stream in the role’s name; the laptop cloud does it without asking',
  ],
  [
    /EndpointPredictionLogRole: (s3|glue):/,
    'Firehose delivers in the role’s name; the laptop cloud’s does it without asking',
  ],
  [
    /TrainingJobJobRole: (logs:DescribeLogStreams|cloudwatch:PutMetricData|s3:DeleteObject|ecr:)/,
    'SageMaker’s own agents in the job’s name; the laptop cloud does it without asking',
  ],
  [
    /(EndpointPredict|EventStreamPredictEvents|TrainingEvaluateCandidate|TrainingFinishRun)Role: sagemaker:(InvokeEndpoint|DeleteEndpoint|DeleteEndpointConfig|DeleteModel)$/,
    'asked for of a version that a container answers, which any model may have had before',
  ],
  [
    /BatchStateMachineEventsRole: states:StartExecution$/,
    'EventBridge starts executions in the role’s name; the laptop cloud’s does it without asking',
  ],
  [
    /BatchPlanBatchFunctionRole: lambda:GetAccountSettings$/,
    'asked for with every plan; the laptop cloud answers it without keeping a record',
  ],
  [
    /BatchScoreShardFunctionRole: sagemaker:InvokeEndpoint$/,
    'asked for of a version that a container answers, which any model may have had before',
  ],
  [
    /TrainingFinishRunRole: s3:DeleteObject$/,
    'the archives of endpoints, which only such versions have',
  ],
  [
    /: s3:AbortMultipartUpload$/,
    'comes with the right to write: SageMaker and Firehose upload in parts and clean up after themselves',
  ],
  [
    /: s3:(GetObjectVersion|ListBucket|ListBucketVersions)$/,
    'come with the right to read and to list: pinned versions are read, and what is missing has to be told from what is forbidden',
  ],
  [
    /: dynamodb:(GetItem|Query|PutItem|UpdateItem|DeleteItem)$/,
    'the registry is granted in three levels (read; write; write and delete), not item by item',
  ],
  [
    /RunControl(Release|Request)RunRole: (sns:Publish|states:(StartExecution|DescribeExecution)|sagemaker:DescribeTrainingJob)$/,
    'asked for when a run failed, was stopped, is queried or refused, which not every life has',
  ],
  [
    /TrainingFinishRunRole: (states:StartExecution|s3:PutObject|sns:Publish)$/,
    'asked for when something was dropped during the run, or the verdict has to be written late',
  ],
  [
    /LabelsJoinLabelsRole: s3:DeleteObject$/,
    'asked for when rows that were written under another hour are written again',
  ],
  [
    /AlarmRuleTakeAlarmRole: lambda:InvokeFunction$/,
    'asked for when an alarm starts a training, which not every life has',
  ],
  [/DashboardShowReportRole: s3:GetObject$/, 'asked for when somebody looks at the dashboard'],
  [/NotifySlackRole: ssm:GetParameter$/, 'asked for when a channel is told something'],
];

/** Those that no reason covers. */
export const unexplained = (unused: readonly string[]): string[] =>
  unused.filter((grant) => !reasons.some(([which]) => which.test(grant)));
