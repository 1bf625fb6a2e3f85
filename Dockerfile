# The gateway alone; docker-compose.yml adds Redis and InfluxDB.
FROM node:24.11.1-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN node_modules/.bin/tsc -p tsconfig.build.json && npm prune --omit=dev

FROM node:24.11.1-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE NOTICE ./
COPY config ./config
COPY web ./web
# Where the erasure journal and backups lie; a volume mounted here takes over its owner.
RUN mkdir data && chown node:node data
USER node
EXPOSE 1883 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/readyz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# The flags are those of config/node-flags.json.
ENTRYPOINT ["node", "--max-semi-space-size=32", "--min-semi-space-size=16", "--single-threaded-gc", "--expose-gc", "dist/main.js"]
