// SPDX-License-Identifier: MIT
// Reads a list of OpenAPI documents, writes what two validators say of each.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.PACKAGES_DIR + "/");
const load = async (name) =>
  import(pathToFileURL(require.resolve(name)).href);
const { Validator } = await load("@seriousme/openapi-schema-validator");
const parser = await load("@apidevtools/swagger-parser");
const SwaggerParser = parser.default ?? parser;

const bySchema = async (document) => {
  const { valid, errors } = await new Validator().validate(document);
  return valid ? "" : JSON.stringify(errors).slice(0, 500);
};

const byParser = async (document) => {
  try {
    await SwaggerParser.validate(document);
    return "";
  } catch (error) {
    return String(error).slice(0, 500);
  }
};

const said = [];
for (const document of JSON.parse(readFileSync(0, "utf8")))
  said.push([await bySchema(structuredClone(document)),
             await byParser(structuredClone(document))]);
console.log(JSON.stringify(said));
