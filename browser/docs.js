// Shows openapi.json with Swagger UI, in the colours that the system asks for. A key stays in the page's memory.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followSystem);
followSystem();

// Swagger UI lets the browser remember what is typed, such as a key, and moves the focus to the last of all keys.
const inputs = ({ React: { createElement: element } }) => ({
  wrapComponents: {
    Input: (Input) => (props) => element(Input, { ...props, autoComplete: "off", autoFocus: false }),
  },
});

// Swagger UI shows no `x-codeSamples`, which every operation has: they come before its responses.
const codeSamples = ({ React: { createElement: element, Fragment }, getComponent, specSelectors }) => ({
  wrapComponents: {
    responses: (Responses) => (props) => {
      const samples = specSelectors.specJson().getIn(["paths", props.path, props.method, "x-codeSamples"]);
      const Code = getComponent("HighlightCode", true);
      return element(
        Fragment,
        null,
        element("div", { className: "opblock-section-header" }, element("h4", null, "Code samples")),
        element(
          "div",
          { className: "code-samples" },
          samples.map((sample, index) => {
            const language = sample.get("lang").toLowerCase();
            return element(
              "section",
              { key: index },
              element("h5", null, sample.get("label") || sample.get("lang")),
              element(
                Code,
                { canCopy: true, language: language === "shell" ? "bash" : language },
                sample.get("source"),
              ),
            );
          }),
        ),
        element(Responses, props),
      );
    },
  },
});

window.SwaggerUIBundle({
  domNode: document.getElementById("viewer"),
  url: document.querySelector("link[rel=service-desc]").href,
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  plugins: [codeSamples, inputs],
  showCommonExtensions: true,
  validatorUrl: null,
});
