// Calls the SES API at the endpoint given, through Tencent Cloud's SDK, and prints what it answers as JSON.
import sdk from "tencentcloud-sdk-nodejs-ses";
import common from "tencentcloud-sdk-nodejs-common";

const [protocol, endpoint, secretId, secretKey] = process.argv.slice(2);
const config = {
  credential: { secretId, secretKey },
  region: "ap-singapore",
  profile: { httpProfile: { protocol, endpoint } },
};
const client = new sdk.ses.v20201002.Client(config);
const plain = new common.CommonClient(endpoint, "2020-10-02", config);
const outcome = (promise) => promise.catch(({ code, requestId }) => ({ code, requestId }));

const email = {
  FromEmailAddress: "Shop <noreply@mail.shop.example>",
  Destination: ["user@example.com"],
  Subject: "Your order — 你好",
  Template: { TemplateID: 100091, TemplateData: JSON.stringify({ code: "1234" }) },
};
console.log(JSON.stringify({
  sent: await outcome(client.SendEmail(email)),
  plain: await outcome(plain.request("ListEmailTemplates", { Limit: 2, Offset: 0 })),
  created: await outcome(client.CreateEmailTemplate({ TemplateName: "hello", TemplateContent: { Text: "SGVsbG8=" } })),
  identities: await outcome(client.ListEmailIdentities({})),
  refused: await outcome(client.SendEmail({ ...email, Destination: ["TemporaryBlocked@fault.example"] })),
  unsupported: await outcome(plain.request("GetAbuseReport", { StartTime: "2026-01-01", EndTime: "2026-01-02" })),
}));
