// Lets a coroutine wait for work that blocks, done by a thread of another pool. Included only where
// Boost.Asio is.
#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace vgerfs::server {

/// The result of `work`, or what it threw. Not cancelled by anything: `work` runs to its end, and
/// what it refers to in the coroutine stays alive until then.
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> run_blocking(boost::asio::thread_pool& pool,
                                                                 Work work) {
  namespace asio = boost::asio;
  using Result = std::invoke_result_t<Work&>;
  std::optional<Result> result;
  std::exception_ptr failure;
  // The coroutine's frame holds work and result; the handlers only point to them.
  const auto start = [&](auto handler) {
    auto executor = asio::get_associated_executor(handler);
    asio::post(pool, [&work, &result, &failure, handler = std::move(handler),
                      guard = asio::make_work_guard(executor)]() mutable {
      try {
        result.emplace(work());
      } catch (...) {
        failure = std::current_exception();
      }
      auto back = guard.get_executor();
      asio::post(back, [handler = std::move(handler)]() mutable { std::move(handler)(); });
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(start, asio::use_awaitable);
  if (failure) std::rethrow_exception(failure);
  co_return std::move(*result);
}

}  // namespace vgerfs::server
