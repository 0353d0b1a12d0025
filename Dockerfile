# A server on LMDB in /data. deploy/README.md says how to run it.
ARG NODE=24.22.3-slim

FROM node:${NODE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
# The console, which the build bundles, is made with the client.
COPY clients/typescript/src clients/typescript/src
RUN npm run -s build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:${NODE}
# Nothing that installs or builds stays; what runs is not writable for whom it runs as.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
      /usr/local/bin/yarn* /opt/yarn* \
 && install -d -o 1000 -g 1000 -m 0700 /data
WORKDIR /app
COPY package.json ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
# For `docker exec ... chord get ID`: the same command, with the server of the container.
RUN ln -s /app/dist/main.js /usr/local/bin/chord
USER 1000:1000
VOLUME /data
EXPOSE 50051
# The heap is half of the container's memory limit (docker run --memory, resources.limits.memory): buffers and LMDB's pages need
# the rest. Above it the process ends, and is started again, in place of collecting garbage for ever.
ENV NODE_OPTIONS=--max-old-space-size-percentage=50
ENV NODE_ENV=production CHORD_LISTEN=0.0.0.0:50051 CHORD_DATA_DIR=/data CHORD_METRICS_LISTEN=127.0.0.1:9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=32", "--no-allocation-site-pretenuring", "dist/main.js"]
CMD ["serve"]
