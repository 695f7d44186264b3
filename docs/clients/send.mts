// Send an email and a batch, and read what became of the email, with the types of openapi-typescript.
import createClient from "openapi-fetch";
import type { components, paths } from "./mailer.js";

type EmailRequest = components["schemas"]["EmailRequest"];
type ProblemCode = components["schemas"]["ProblemCode"];

const { MAILER_URL, MAILER_KEY } = process.env;
const client = createClient<paths>({
  baseUrl: MAILER_URL,
  headers: { Authorization: `Bearer ${MAILER_KEY}` },
});

function request(to: string, code: string): EmailRequest {
  const template = { id: 100091, data: { code } };
  return { from: "Shop <noreply@mail.shop.example>", to, subject: "Your code", template };
}

const sent = await client.POST("/emails", {
  params: { header: { "Idempotency-Key": "typescript-1" } },
  body: request("ann@customer.example", "12"),
});
if (!sent.data) throw new Error(`not sent: ${sent.error.code}: ${sent.error.detail}`);
console.log("sent:", sent.data.state);

const other = await client.POST("/emails", {
  params: { header: { "Idempotency-Key": "typescript-1" } },
  body: request("bob@customer.example", "34"),
});
const reused: ProblemCode = "IdempotencyKeyReused";
if (other.error?.code === reused) console.log("refused:", other.error.code, other.error.status);

const batch = await client.POST("/emails/batch", {
  params: { header: { "Idempotency-Key": "typescript-2" } },
  body: { emails: [request("bob@customer.example", "34"), request("nobody", "56")] },
});
for (const result of batch.data?.results ?? []) {
  console.log("batch:", result.status, result.error ? result.error.code : result.state);
}

const email = await client.GET("/emails/{email}", { params: { path: { email: sent.data.id } } });
if (email.data) console.log("read:", ...email.data.history.map((entry) => entry.state));
