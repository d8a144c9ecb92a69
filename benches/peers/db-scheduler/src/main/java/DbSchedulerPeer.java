// db-scheduler on the jobs of `make bench`: one-time tasks that POST a payload, polled by lock-and-fetch.
// It measures itself as our own poller does, and keeps nothing. Neighbour: benches/src/peers.rs starts it.
//
//     DbSchedulerPeer seed PORT COUNT SPREAD_SECONDS URL...
//     DbSchedulerPeer drain PORT WARM_UP COUNT
//
// Settings, as its README recommends them for a high throughput ("keep threads busy"): pollUsingLockAndFetch(1.0, 4.0).
// Beside it: a serializer that costs nothing, prepared statements, and as many connections as gave the most here.

import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.SchedulerClient;
import com.github.kagkarlsson.scheduler.event.AbstractSchedulerListener;
import com.github.kagkarlsson.scheduler.serializer.Serializer;
import com.github.kagkarlsson.scheduler.task.ExecutionComplete;
import com.github.kagkarlsson.scheduler.task.SchedulableInstance;
import com.github.kagkarlsson.scheduler.task.helper.OneTimeTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

public final class DbSchedulerPeer {
  private static final int THREADS = 256;
  private static final int CONNECTIONS = Integer.getInteger("connections", 16);
  private static final Duration POLLING_INTERVAL = Duration.ofSeconds(1);
  // As our own have them: with its quotes the payload is 200 bytes.
  private static final byte[] PAYLOAD = ("\"" + "x".repeat(198) + "\"").getBytes(StandardCharsets.UTF_8);

  private static final OneTimeTask<byte[]> CALLBACK =
      Tasks.oneTime("callback", byte[].class).execute((instance, context) -> call(instance.getData()));

  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(args[1]);
    int first = Integer.parseInt(args[2]);
    int second = Integer.parseInt(args[3]);
    try (HikariDataSource store = connect(port)) {
      if (args[0].equals("seed")) {
        seed(store, first, second, Arrays.copyOfRange(args, 4, args.length));
      } else {
        System.out.println(drain(store, first, second));
      }
    }
    System.exit(0);
  }

  private static HikariDataSource connect(int port) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl("jdbc:postgresql://127.0.0.1:" + port + "/postgres?user=bench");
    config.setMaximumPoolSize(CONNECTIONS);
    return new HikariDataSource(config);
  }

  /** Makes the table anew, as db-scheduler's documentation defines it. */
  private static void seed(HikariDataSource store, int count, int spreadSeconds, String[] urls) throws Exception {
    try (Connection connection = store.getConnection(); Statement statement = connection.createStatement()) {
      statement.execute("drop table if exists scheduled_tasks");
      statement.execute(
          "create table scheduled_tasks (task_name text not null, task_instance text not null, task_data bytea, "
              + "execution_time timestamp with time zone not null, picked boolean not null, picked_by text, "
              + "last_success timestamp with time zone, last_failure timestamp with time zone, "
              + "consecutive_failures int, last_heartbeat timestamp with time zone, version bigint not null, "
              + "priority smallint, primary key (task_name, task_instance))");
      statement.execute("create index execution_time_idx on scheduled_tasks (execution_time)");
      statement.execute("create index last_heartbeat_idx on scheduled_tasks (last_heartbeat)");
    }
    SchedulerClient client =
        SchedulerClient.Builder.create(store, CALLBACK).serializer(new Bytes()).build();
    Instant start = Instant.now();
    List<SchedulableInstance<?>> batch = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Instant due = spreadSeconds == 0 ? start : start.plusMillis(2_000 + 1_000L * spreadSeconds * i / count);
      String url = urls[i % urls.length] + "/" + due.toEpochMilli();
      batch.add(SchedulableInstance.of(CALLBACK.instance(Integer.toString(i), data(url)), due));
      if (batch.size() == 500 || i == count - 1) {
        client.scheduleBatch(batch);
        batch.clear();
      }
    }
    try (Connection connection = store.getConnection(); Statement statement = connection.createStatement()) {
      statement.execute("vacuum analyze scheduled_tasks");
    }
  }

  /** What the jobs after the warm-up took, as JSON. */
  private static String drain(HikariDataSource store, int warmUp, int count) throws Exception {
    CountDownLatch over = new CountDownLatch(1);
    AtomicInteger completed = new AtomicInteger();
    AtomicInteger failed = new AtomicInteger();
    long[] nanos = new long[2];
    double[] cpu = new double[2];
    if (warmUp == 0) {
      nanos[0] = System.nanoTime();
      cpu[0] = cpuSeconds();
    }
    Scheduler scheduler =
        Scheduler.create(store, CALLBACK)
            .threads(THREADS)
            .pollingInterval(POLLING_INTERVAL)
            .pollUsingLockAndFetch(1.0, 4.0)
            .serializer(new Bytes())
            .addSchedulerListener(
                new AbstractSchedulerListener() {
                  @Override
                  public void onExecutionComplete(ExecutionComplete execution) {
                    if (execution.getResult() != ExecutionComplete.Result.OK) {
                      failed.incrementAndGet();
                    }
                    int done = completed.incrementAndGet();
                    int mark = done == warmUp ? 0 : done == warmUp + count ? 1 : -1;
                    if (mark >= 0) {
                      nanos[mark] = System.nanoTime();
                      cpu[mark] = cpuSeconds();
                    }
                    if (mark == 1) {
                      over.countDown();
                    }
                  }
                })
            .build();
    scheduler.start();
    over.await();
    scheduler.stop();
    if (failed.get() > 0) {
      throw new IllegalStateException(failed + " executions failed");
    }
    return String.format(
        Locale.ROOT,
        "{\"jobs\":%d,\"seconds\":%f,\"cpu_seconds\":%f,\"peak_kib\":%d,\"write_units\":0}",
        count, (nanos[1] - nanos[0]) / 1e9, cpu[1] - cpu[0], peakKib());
  }

  private static void call(byte[] data) {
    String text = new String(data, StandardCharsets.UTF_8);
    int end = text.indexOf('\n');
    try {
      HttpURLConnection connection = (HttpURLConnection) URI.create(text.substring(0, end)).toURL().openConnection();
      connection.setConnectTimeout(30_000);
      connection.setReadTimeout(30_000);
      connection.setInstanceFollowRedirects(false);
      connection.setRequestMethod("POST");
      connection.setRequestProperty("Content-Type", "application/json");
      connection.setDoOutput(true);
      byte[] payload = text.substring(end + 1).getBytes(StandardCharsets.UTF_8);
      connection.setFixedLengthStreamingMode(payload.length);
      try (OutputStream body = connection.getOutputStream()) {
        body.write(payload);
      }
      int status = connection.getResponseCode();
      if (status / 100 != 2) {
        throw new IllegalStateException("the receiver answered " + status);
      }
      try (InputStream answer = connection.getInputStream()) {
        answer.readAllBytes();
      }
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static byte[] data(String url) {
    byte[] first = (url + "\n").getBytes(StandardCharsets.UTF_8);
    byte[] data = Arrays.copyOf(first, first.length + PAYLOAD.length);
    System.arraycopy(PAYLOAD, 0, data, first.length, PAYLOAD.length);
    return data;
  }

  /** Processor time of this process so far, all threads; fields 14 and 15 of proc(5), in hundredths of a second. */
  private static double cpuSeconds() {
    String stat = read("/proc/self/stat");
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
    return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / 100.0;
  }

  private static long peakKib() {
    return read("/proc/self/status").lines()
        .filter(line -> line.startsWith("VmHWM:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
        .findFirst()
        .orElseThrow();
  }

  private static String read(String file) {
    try {
      return Files.readString(Path.of(file));
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** The data as it is. */
  private static final class Bytes implements Serializer {
    @Override
    public byte[] serialize(Object data) {
      return (byte[]) data;
    }

    @Override
    public <T> T deserialize(Class<T> type, byte[] serialized) {
      return type.cast(serialized);
    }
  }
}
