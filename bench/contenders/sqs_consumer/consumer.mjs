// A peer of row 7: ten of sqs-consumer's consumers with ten messages each, a slot for each message.
import { setTimeout as sleep } from "node:timers/promises";
import { SQSClient } from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";

const sqs = new SQSClient({ region: "us-east-1", endpoint: process.env.AWS_ENDPOINT_URL });

async function pay(message) {
  await sleep(100);
  return message;
}

for (let number = 0; number < 10; number += 1) {
  const consumer = Consumer.create({
    queueUrl: process.env.QUEUE_URL,
    batchSize: 10,
    waitTimeSeconds: 20,
    handleMessage: pay,
    sqs,
  });
  consumer.on("error", (error) => console.error(error.message));
  consumer.on("processing_error", (error) => console.error(error.message));
  consumer.start();
}
